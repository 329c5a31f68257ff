"""Ways into other tools, each in a module that imports the one optional package it needs."""
