"""Formats that other programs read: CI servers, code scanning, graph tools, Netron."""
