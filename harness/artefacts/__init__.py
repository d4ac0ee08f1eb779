"""Read what an author's own build has produced: archives of images and packaged charts."""
