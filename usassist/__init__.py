"""usassist: interactive ultrasound annotation with a local CLIP-Mona segmentation model."""

__version__ = "0.1.0"
