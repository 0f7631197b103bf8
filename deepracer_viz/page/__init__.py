"""The sections of the page, one file per question, and how models get onto it."""
