# mypy: ignore-errors
# ruff: noqa: ANN001, ANN003, ANN201, ANN202, ARG002
"""What Presidio's pattern recognisers find in the same texts: runs in an environment of its own.

It stands on nothing of the product, for it is started by another Python (``PRESIDIO_PYTHON``) that
has presidio-analyzer. Two JSON lists of texts come on standard input: what warms it
up, and what is measured; seconds and findings go out.
"""

import json
import sys
import time


def blank():
    """An engine of words and nothing else: no model is needed for patterns."""
    import spacy
    from presidio_analyzer.nlp_engine import NlpArtifacts, NlpEngine

    class Blank(NlpEngine):
        def __init__(self) -> None:
            self.nlp = spacy.blank("en")

        def load(self) -> None: ...

        def is_loaded(self) -> bool:
            return True

        def process_text(self, text, language):
            doc = self.nlp(text)
            lemmas = [token.text for token in doc]
            return NlpArtifacts([], doc, [token.idx for token in doc], lemmas, self, language)

        def process_batch(self, texts, language, **_more):
            return ((text, self.process_text(text, language)) for text in texts)

        def is_stopword(self, word, language):
            return False

        def is_punct(self, word, language):
            return not word.isalnum()

        def get_supported_entities(self):
            return []

        def get_supported_languages(self):
            return ["en"]

    return Blank()


def analyzer():
    """Presidio's own engine with its recognisers of numbers."""
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
    from presidio_analyzer.predefined_recognizers import (
        AbaRoutingRecognizer,
        CreditCardRecognizer,
        IbanRecognizer,
        UsBankRecognizer,
        UsSsnRecognizer,
    )

    registry = RecognizerRegistry()
    registry.supported_languages = ["en"]
    for recogniser in (
        CreditCardRecognizer,
        IbanRecognizer,
        UsSsnRecognizer,
        AbaRoutingRecognizer,
        UsBankRecognizer,
    ):
        registry.add_recognizer(recogniser())
    return AnalyzerEngine(registry=registry, nlp_engine=blank(), supported_languages=["en"])


def main() -> None:
    engine = analyzer()
    before, texts = json.load(sys.stdin)
    for text in before or texts[:1]:
        engine.analyze(text, "en")
    began = time.process_time()
    found = [
        [
            (hit.entity_type, text[hit.start : hit.end], hit.score)
            for hit in engine.analyze(text, "en")
        ]
        for text in texts
    ]
    json.dump({"seconds": time.process_time() - began, "found": found}, sys.stdout)


if __name__ == "__main__":
    main()
