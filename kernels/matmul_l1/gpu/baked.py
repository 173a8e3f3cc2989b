BAKED: dict[str, dict[str, tuple[int, int, int, int, int]]] = {}
