"""Data sets on disk: where they lie, and those that can be downloaded."""

from hypersweep.datasets.folders import find_cache, find_data_folders, find_download_folder
from hypersweep.datasets.movielens import MOVIELENS, Archive, get

__all__ = ["MOVIELENS", "Archive", "find_cache", "find_data_folders", "find_download_folder", "get"]
