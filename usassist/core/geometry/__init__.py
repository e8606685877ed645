"""Masks, contours and measures in numbers only: numpy and OpenCV, no files, no torch, no Qt."""
