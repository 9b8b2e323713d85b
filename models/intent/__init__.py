"""Named intents: what the verbalised history says the person wants, as calibrated probabilities.

head        IntentHead (frozen BERT embedding -> several labels), its fit and calibration
zeroshot    zero_shot: without labels, by similarity to what each intent is said to be

Texts to one or several labels, learned from examples (`recsys.IntentClassifier` assembles them):

contract    TextClassifier, Reading: what every method must do
settings    TextTraining: how they learn
linear      softmax and sigmoid regression, fitted to the end
folds       which texts teach and which judge
frozen      an untouched encoder and such a regression
names       what labels are called as one more example of each
svm, rules  no encoder: n-grams against the rest; few terms a label that can be printed
gru, tuned  networks: a GRU over words; BERT, in full or by few new weights
adapters    LoRA, AdaLoRA, IA³ by peft, and bottleneck adapters
objectives  the loss of a step, and what may stand beside it: consistency, contrast, mixup, attacks
epochs      the loop that these networks learn by
methods     the methods by name
blend       several of them that read together
pretrain    tasks without labels, for an encoder that learns before: hidden words, pairs, order
attribute   which words or events moved a label: each left out, or by gradients
attribution what that found, and what is left of a text without some of its words
gradients   integrated gradients on the word embeddings (extra [explain])
picture     it as HTML and for a terminal
calibrate   logits to probabilities that mean what they say
scope       when a text is none of the intents

A BERT among them made small (`recsys.intent.compress` calls them):

whole       a copy of method "full", whatever new weights it learned
prune       without the heads and neurons that matter least
distil      a student of fewer layers, and how any student learns from a teacher
int8        8-bit weights by torch
onnx        8-bit weights for ONNX Runtime (extra `[onnx]`)

Tools for texts with few labels, imported by name (nothing above needs them):

augment     label-preserving changes of texts and behaviour sequences; mixup; back-translation
attacks     typos and word attacks, and the worst of n: does the intent survive?
active      which texts to label next, and the learning curve
adversarial FGM, PGD and FreeLB on the word embeddings
moves       those that settings name, with what synonyms and back-translation need
pieces      words of spaced scripts, signs of the others: what may move
neighbours  words that stand near a word in an embedding table
translate   a translator from a local folder
distances   distances, clusters and densities below `active`
"""

from models.intent.head import IntentConfig, IntentHead, fit_intent_head
from models.intent.zeroshot import zero_shot

__all__ = ["IntentConfig", "IntentHead", "fit_intent_head", "zero_shot"]
