"""A folder of published results: its experiments as tables and pictures, with their commands."""

from deltamem_evaluations.reporting.published.folder import PublishedFolder, read_folder
from deltamem_evaluations.reporting.published.pictures import Picture, pictures_of
from deltamem_evaluations.reporting.published.report import published_page, published_report

__all__ = [
    "Picture",
    "PublishedFolder",
    "pictures_of",
    "published_page",
    "published_report",
    "read_folder",
]
