"""Figures: curves, heat-maps and plots as SVG."""
