"""The ids are those of open_clip's tokenizer, for any text."""

import gzip
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usassist.core.captions.vocabulary import load_vocabulary
from usassist.core.errors import ModelError
from usassist.core.models import bpe, torchvision_ops


@pytest.fixture(scope="module")
def theirs():
    torchvision_ops.prepare()
    from open_clip.tokenizer import SimpleTokenizer

    return SimpleTokenizer()


def test_the_table_is_open_clips(theirs) -> None:
    table = bpe._table()
    assert {tuple(pair.split(" ")): rank for pair, rank in table.ranks.items()} == theirs.bpe_ranks
    special = {"<start_of_text>": bpe.START, "<end_of_text>": bpe.END}
    assert table.ids | special == theirs.encoder
    assert dict(enumerate(bpe._letters())) == theirs.byte_encoder


@pytest.mark.parametrize(
    "text",
    [
        "",
        "A 3.2 x 2 cm hypoechoic mass; margins: spiculated!",
        "größe — 中文 🙂 ﬁne  ",
        "it's they'LL 12.5% &amp;amp; &lt;b&gt; schÃ¶n \u0000\u001b[31m \u2028 ſ'ſ",
        "<start_of_text> x <END_OF_TEXT> <|endoftext|>",
        "aaaaaaaaaaaa abababab banana " * 3,
        "I̊ İ ß Ⅻ ½ ² ٣ क्षि",
    ],
)
def test_odd_texts_have_open_clips_ids(theirs, text: str) -> None:
    assert bpe.encode(text) == theirs.encode(text)


def test_the_words_we_ask_with_have_open_clips_ids(theirs) -> None:
    for text in load_vocabulary().texts():
        assert bpe.encode(text) == theirs.encode(text)


_LETTERS = st.characters(exclude_categories=("Cs",))


@given(st.text(_LETTERS, max_size=120) | st.text("aeinrst '’.,&;<>_-0123\n\té中🙂", max_size=60))
def test_any_text_has_open_clips_ids(theirs, text: str) -> None:
    assert bpe.encode(text) == theirs.encode(text)


def test_half_a_character_is_no_crash() -> None:
    """A command line whose bytes are no UTF-8 brings them as lone surrogates."""
    assert bpe.encode("les\udcffion")


def test_without_the_table_a_sentence_says_what_to_install(monkeypatch, tmp_path) -> None:
    (tmp_path / bpe._TABLE).write_bytes(b"somebody else's")  # never read from where the command happens to run
    monkeypatch.chdir(tmp_path)
    for found in (None, SimpleNamespace(origin=str(tmp_path / "open_clip" / "__init__.py"))):
        monkeypatch.setattr(bpe.importlib.util, "find_spec", lambda _, found=found: found)
        with pytest.raises(ModelError, match="open_clip_torch is missing; install that package again"):
            bpe._path()
    monkeypatch.undo()
    with gzip.open(bpe._path()) as file:
        assert b"bpe" in file.readline()
