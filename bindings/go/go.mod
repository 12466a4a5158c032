module espalier

go 1.19
