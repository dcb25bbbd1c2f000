"""Scoring: formulas, scores with explanation, grades, calibration, results, exports."""
