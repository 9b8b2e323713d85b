"""Named intents: what the verbalised history says the person wants, as calibrated probabilities.

classifier  IntentHead (frozen BERT embedding -> several labels), its fit and calibration
"""

from models.intent.classifier import IntentConfig, IntentHead, fit_intent_head

__all__ = ["IntentConfig", "IntentHead", "fit_intent_head"]
