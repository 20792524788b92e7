"""Where cases come from: dataset folders, single folders, phantoms."""
