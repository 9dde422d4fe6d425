"""What a plug-in author reads: the contracts every domain and controller keeps."""
