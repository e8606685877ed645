"""Datasets for training and evaluation: folders as the command line reads them, projects, augmentation, simulation."""
