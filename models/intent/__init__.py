"""Named intents: what the verbalised history says the person wants, as calibrated probabilities.

classifier  IntentHead (frozen BERT embedding -> several labels), its fit and calibration
zeroshot    zero_shot: without labels, by similarity to what each intent is said to be
"""

from models.intent.classifier import IntentConfig, IntentHead, fit_intent_head
from models.intent.zeroshot import zero_shot

__all__ = ["IntentConfig", "IntentHead", "fit_intent_head", "zero_shot"]
