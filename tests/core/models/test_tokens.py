import pytest
from hypothesis import given
from hypothesis import strategies as st

from usassist.core.models.tokens import HASH_BUCKETS, CompactTokenizer, bpe_ids, collect_vocabulary

KNOWN = collect_vocabulary(["breast lesion", "fetal head"])


def _tokenizer(context: int = 16) -> CompactTokenizer:
    return CompactTokenizer(KNOWN, vocab_size=512, context_length=context)


def test_known_words_have_a_row_of_their_own_and_others_share_buckets() -> None:
    ids = _tokenizer()(["breast lesion", "prostate"])
    assert all(row > HASH_BUCKETS for row in ids[0, 1:3])
    assert 0 < ids[1, 1] <= HASH_BUCKETS


def test_the_end_token_is_the_largest_id_because_open_clip_pools_there() -> None:
    ids = _tokenizer()(["breast lesion"])
    assert ids[0].max() == 511
    assert ids[0].argmax() == 1 + len(bpe_ids("breast lesion"))


def test_400_words_are_cut_and_the_end_is_kept() -> None:
    ids = _tokenizer(16)(["lesion " * 400])
    assert ids.shape == (1, 16)
    assert ids[0, -1] == 511


def test_a_word_of_a_million_letters_takes_no_minutes_and_blanks_hide_nothing() -> None:
    assert _tokenizer()(["x" * 10**6]).shape == (1, 16)
    spaced = "breast" + " " * 5000 + "lesion"
    assert _tokenizer()([spaced]).equal(_tokenizer()(["breast lesion"]))


@given(st.text(max_size=80))
def test_any_text_gives_rows_inside_the_table(text: str) -> None:
    ids = _tokenizer()([text])
    assert int(ids.min()) >= 0
    assert int(ids.max()) == 511


def test_a_vocabulary_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="holds"):
        CompactTokenizer(KNOWN, vocab_size=HASH_BUCKETS + 4, context_length=8)
