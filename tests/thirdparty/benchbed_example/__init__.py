"""A third party's plugin: a method and a data set, as small as they can be and still be real."""
