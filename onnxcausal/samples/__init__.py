"""Inputs: image folders, arrays, IDX pairs, tables; preprocessing; which samples are used."""
