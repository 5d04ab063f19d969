"""What people and graph tools read: the terminal table, figures, GraphML."""

from onnxcausal.report.files import report_files
from onnxcausal.report.summary import summary

__all__ = ["report_files", "summary"]
