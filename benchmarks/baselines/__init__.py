"""The neural methods that this library is held against, written from their definitions.

`groups`: penalties of a cause's weights and their proximal operators. `cmlp`, `clstm`: component-wise networks (Tank et al.,
IEEE TPAMI 44, 2022), as published, a network per series in a Python loop, and vectorised over series. `ista`: their training.
`gradients`: the gradient penalty by everything but this library. `official`: the authors' training of it.
"""
