"""Results of a build: the report (an HTML page), and the paper's tables and figures."""
