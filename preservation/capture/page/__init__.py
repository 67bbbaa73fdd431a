"""A web page as a browser sees it, with everything that it consists of."""
