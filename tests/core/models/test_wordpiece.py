"""Word pieces as BERT cuts them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.models.published import WORDS, write_words
from usassist.core.errors import ModelError
from usassist.core.models.wordpiece import WordPieceTokenizer, find_words

LETTERS = [*(f"{mark}{c}" for mark in ("", "##") for c in "abcdefghijklmnopqrstuvwxyz0123456789"), ",", "-", "(", ")"]
ALL = list(dict.fromkeys([*WORDS, *LETTERS, "ultra", "##sound", "cafe", "中"]))


def test_N2_400_words_are_cut_at_256_and_the_end_is_kept() -> None:
    tokenizer = WordPieceTokenizer(WORDS, context_length=256)
    ids = tokenizer(["the lesion " * 200])
    assert ids.shape == (1, 256)
    assert ids[0, 0] == WORDS.index("[CLS]")
    assert ids[0, -1] == WORDS.index("[SEP]")
    count = tokenizer.count("the lesion " * 200)
    assert (count.used, count.room, count.kept) == (402, 256, 256)
    assert count.cut_text == " ".join(["the lesion"] * 73)


def test_pieces_are_the_longest_that_are_known() -> None:
    tokenizer = WordPieceTokenizer(ALL)
    assert [ALL[i] for i in tokenizer.pieces("Ultrasound, (Café) 中")] == [
        "ultra",
        "##sound",
        ",",
        "(",
        "cafe",
        ")",
        "中",
    ]
    assert tokenizer.pieces("lesion?") == [WORDS.index("lesion"), WORDS.index("[UNK]")]
    assert tokenizer.pieces("a" * 101) == [WORDS.index("[UNK]")]


@given(st.text(max_size=60))
def test_any_text_gives_ids_of_the_table_and_as_the_published_tokenizer(text: str) -> None:
    ids = WordPieceTokenizer(ALL, context_length=80)([text])
    assert int(ids.min()) >= 0
    assert int(ids.max()) < len(ALL)


@pytest.mark.parametrize(
    "text",
    [
        "Breast lesions, 3x2 mm.",
        "Größe\tcafé",
        "a-b(c)d",
        "中a中",
        "x" * 120,
        "",
        "  a \u200b b\u00a0c ",
        "$a^b|c~d`e",
        "naïve…—x",
    ],
)
def test_the_pieces_are_those_of_the_tokenizers_package(tmp_path, text: str) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    (tmp_path / "vocab.txt").write_text("\n".join(ALL))
    theirs = tokenizers.BertWordPieceTokenizer(str(tmp_path / "vocab.txt"), lowercase=True)
    ours = WordPieceTokenizer(ALL, context_length=200)
    expected = theirs.encode(text).ids
    assert ours([text])[0, : len(expected)].tolist() == expected
    assert not ours([text])[0, len(expected) :].any()


def test_words_are_found_as_text_or_as_json_in_the_first_folder_that_has_them(tmp_path) -> None:
    (tmp_path / "a").mkdir()
    write_words(tmp_path)
    assert find_words([None, tmp_path / "a", tmp_path]) == tuple(WORDS)
    vocabulary = {"model": {"type": "WordPiece", "vocab": {word: index for index, word in enumerate(ALL)}}}
    (tmp_path / "a" / "tokenizer.json").write_text(json.dumps(vocabulary))
    assert find_words([tmp_path / "a", tmp_path]) == tuple(ALL)
    (tmp_path / "vocab.txt").write_bytes("\r\n".join(WORDS).encode())
    assert find_words([tmp_path]) == tuple(WORDS)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("tokenizer.json", "[1]", "no tokenizer of word pieces"),
        ("tokenizer.json", '{"model": {"vocab": {"a": 5}}}', "without a gap"),
        ("tokenizer.json", '{"model": {"vocab": [["a", 1]]}}', "no tokenizer of word pieces"),
        ("tokenizer.json", "[" * 100_000, "no tokenizer of word pieces"),
        ("vocab.txt", "a\nb", "no \\[PAD\\]"),
        ("vocab.txt", "a\n" * 1_000_002, "more than"),
    ],
)
def test_damaged_words_are_a_sentence(tmp_path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(ModelError, match=message):
        WordPieceTokenizer(find_words([tmp_path]))


def test_missing_words_say_what_to_put_where(tmp_path) -> None:
    with pytest.raises(ModelError, match=r"expected vocab\.txt or tokenizer\.json beside the weights"):
        find_words([tmp_path, None])
