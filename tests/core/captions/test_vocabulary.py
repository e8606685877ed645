from usassist.core.captions.vocabulary import load_vocabulary


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


def test_no_mammograms_in_ultrasound() -> None:
    assert not [text for text in load_vocabulary().texts() if "mammogram" in text]
