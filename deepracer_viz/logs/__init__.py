"""Bytes in, tables out: one module per kind of file that a DeepRacer job leaves behind."""
