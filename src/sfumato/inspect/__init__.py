"""Looking inside: what clusters, cuts and nets make of a picture, as numbers and figures."""
