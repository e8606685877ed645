import pytest

from usassist.core.captions.templates import class_words_in
from usassist.core.captions.vocabulary import Ensemble, load_vocabulary
from usassist.core.errors import ModelError

ENSEMBLES = load_vocabulary().ensembles
CLASSES = [
    pytest.param(ensemble, name, id=f"{ensemble.name}.{name}")
    for ensemble in ENSEMBLES.values()
    for name in ensemble.classes
]


def test_targets_have_prompts_and_classes_of_their_own() -> None:
    targets = load_vocabulary().targets
    assert {"breast_lesion", "fetal_head", "carotid"} <= set(targets)
    classes = [name for target in targets.values() for name in target.classes]
    assert len(classes) == len(set(classes))
    prompts = [prompt for target in targets.values() for prompt in target.prompts]
    assert len(prompts) == len(set(prompts))


def test_a_class_finds_its_target() -> None:
    vocabulary = load_vocabulary()
    assert vocabulary.target_of_class("malignant") is vocabulary.targets["breast_lesion"]
    assert vocabulary.target_of_class("unheard of") is None


def test_a_text_finds_the_target_it_asks_for() -> None:
    vocabulary = load_vocabulary()
    for text in ("fetal_head", "Fetal Head", " head of  the fetus"):
        assert vocabulary.target_of_text(text) is vocabulary.targets["fetal_head"]
    assert vocabulary.target_of_text("benign") is None
    assert vocabulary.target_of_text("") is None


def test_the_texts_that_shipped_models_know_stay_as_they_are() -> None:
    """A small model's token table was made of these; a new wording may join them, none may go."""
    texts = set(load_vocabulary().texts())
    assert {
        "breast lesion", "breast tumour", "mass in the breast", "a breast ultrasound with a lesion", "fetal head",
        "common carotid artery", "thyroid nodule", "enlarged lymph node", "prostate gland", "left ventricular cavity",
        "breast ultrasound with a benign lesion", "malignant breast mass with spiculated margins and shadowing",
        "no lesion in this breast ultrasound",
    } <= texts  # fmt: skip


def test_all_seven_organs_are_there_with_synonyms_and_a_target() -> None:
    vocabulary = load_vocabulary()
    assert set(vocabulary.organs) == {
        "breast", "thyroid", "lymph_node", "prostate", "fetal_head", "carotid", "heart",
    }  # fmt: skip
    for organ in vocabulary.organs.values():
        assert organ.target in vocabulary.targets
        assert len(organ.synonyms) > 1


def test_lexicons_cover_their_attributes_and_no_synonym_means_two_things() -> None:
    descriptors = load_vocabulary().descriptors
    attributes = {(descriptor.organ, descriptor.attribute) for descriptor in descriptors}
    assert {("breast", name) for name in (
        "shape", "orientation", "margin", "echo_pattern", "posterior_features", "calcifications",
    )} <= attributes  # fmt: skip
    assert {
        ("thyroid", name) for name in ("composition", "echogenicity", "shape", "margin", "echogenic_foci")
    } <= attributes
    assert {("lymph_node", name) for name in ("hilum", "cortex", "border", "necrosis")} <= attributes
    synonyms = [synonym for descriptor in descriptors for synonym in descriptor.synonyms]
    assert len(synonyms) == len(set(synonyms))
    assert not set(synonyms) & {descriptor.term for descriptor in descriptors}


@pytest.mark.parametrize("name", ["breast", "thyroid", "lymph_node"])
def test_N11_each_class_has_ten_sentences_with_the_class_and_ten_without(name: str) -> None:
    vocabulary = load_vocabulary()
    plain, named = vocabulary.ensemble(name), vocabulary.ensemble(f"{name}-named")
    assert (plain.names_classes, named.names_classes) == (False, True)
    for ensemble in (plain, named):
        assert set(ensemble.classes) == {"benign", "malignant"}
        assert all(len(set(sentences)) == 10 for sentences in ensemble.classes.values())


@pytest.mark.parametrize(("ensemble", "name"), CLASSES)
def test_N11_no_sentence_gives_away_another_class(ensemble: Ensemble, name: str) -> None:
    words = load_vocabulary().class_words
    for sentence in ensemble.classes[name]:
        leaks = set(class_words_in(sentence))
        assert leaks == ({name[:6], name} & {*words.get(name, ())} if ensemble.names_classes else set())
    others = {s for other, sentences in ensemble.classes.items() if other != name for s in sentences}
    assert not others & set(ensemble.classes[name])


def test_N11_every_sentence_fits_the_77_tokens_of_clip() -> None:
    from usassist.core.models.tokens import bpe_ids

    sentences = [s for ensemble in ENSEMBLES.values() for texts in ensemble.classes.values() for s in texts]
    assert max(len(bpe_ids(sentence)) + 2 for sentence in sentences) <= 77


def test_M6_no_mammograms_in_ultrasound() -> None:
    vocabulary = load_vocabulary()
    sentences = [s for ensemble in ENSEMBLES.values() for texts in ensemble.classes.values() for s in texts]
    assert not [text for text in [*vocabulary.texts(), *sentences] if "mammogra" in text.lower()]


def test_an_unknown_ensemble_is_an_error_with_the_names() -> None:
    with pytest.raises(ModelError, match=r"'breasts'.*breast, breast-named"):
        load_vocabulary().ensemble("breasts")
