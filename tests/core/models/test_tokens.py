import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from usassist.core.errors import ModelError
from usassist.core.models import torchvision_ops
from usassist.core.models.tokens import (
    HASH_BUCKETS,
    ClipTokenizer,
    CompactTokenizer,
    bpe_ids,
    build_tokenizer,
    collect_vocabulary,
)

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


def test_N2_segmentation_area_of_temp_has_temp_at_index_5_of_77() -> None:
    """N2: SOS, seg, mentation, area, of, temp: where CoTexNet puts its pseudo-token."""
    ids = ClipTokenizer()(["Segmentation area of temp"])
    assert ids.shape == (1, 77)
    assert ids[0, 5].tolist() == bpe_ids("temp")[0]
    assert bpe_ids("temp") == [ids[0, 5].item()]
    assert ids[0, 6].item() == 49407
    assert not ids[0, 7:].any()


def test_N2_the_ids_are_open_clips_own() -> None:
    torchvision_ops.prepare()
    import open_clip

    texts = ["A 3.2 x 2 cm hypoechoic mass; margins: spiculated!", "", "größe — 中文 🙂", "x " * 100]
    assert torch.equal(ClipTokenizer()(texts), open_clip.get_tokenizer("ViT-B-16")(texts))


@pytest.mark.parametrize("tokenizer", [ClipTokenizer(), CompactTokenizer(KNOWN, vocab_size=512, context_length=77)])
def test_N2_a_caption_of_400_words_does_not_fail_and_says_what_is_cut(tokenizer) -> None:
    caption = " ".join(f"word{index % 10} lesion" for index in range(200))
    assert tokenizer([caption]).shape == (1, 77)
    count = tokenizer.count(caption)
    assert count.used == 2 + 4 * 200  # word, its digit, le, sion
    assert (count.room, count.kept) == (77, 77)
    kept = caption.removesuffix(count.cut_text)
    # The last word seen is cut in two (le, sion), which counts as cut.
    assert tokenizer([kept]).tolist()[0][:75] == tokenizer([caption]).tolist()[0][:75]
    assert tokenizer.count(kept).cut_text == ""


@given(st.text(max_size=200))
def test_N2_what_is_counted_is_what_the_ids_hold(text: str) -> None:
    tokenizer = ClipTokenizer(context_length=24)
    count = tokenizer.count(text)
    assert count.kept <= 24
    if "&" not in text:  # entities are decoded across words
        assert (count.cut_text == "") == (count.used <= 24)
        assert count.used >= 2


def test_a_million_letters_are_counted_at_once() -> None:
    assert ClipTokenizer().count("x" * 10**6).used > 77


@pytest.mark.parametrize(
    ("text", "message"),
    [({"hf_tokenizer_name": "t5"}, "'t5', which is not known"), ({"vocab_size": 2048}, "2048 rows for CLIP's 49408")],
)
def test_a_tokenizer_that_is_not_known_is_refused(text, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        build_tokenizer((), text)
