"""A folder of published results: its experiments as tables and pictures, with their commands."""

from deltamem_evaluations.reporting.results_pages.folder import PublishedFolder, read_folder
from deltamem_evaluations.reporting.results_pages.pictures import Picture, pictures_of
from deltamem_evaluations.reporting.results_pages.report import published_page, published_report

__all__ = [
    "Picture",
    "PublishedFolder",
    "pictures_of",
    "published_page",
    "published_report",
    "read_folder",
]
