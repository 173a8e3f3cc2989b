"""What a user would pick instead: packages with the settings that their documentation recommends, and the cheap methods.

`linear`: ridge, lasso, bivariate Granger, correlation. `trees`: regression trees on lagged values. `packages`: tigramite,
lingam, statsmodels and arboreto, which the extra `peers` installs; one that is not there is a `PeerMissingError`.
"""

from __future__ import annotations

from .linear import bivariate_granger, correlation, lasso_var, ridge_var
from .method import Peer, PeerMissingError
from .packages import grnboost2, pcmci, var_granger, varlingam
from .trees import extra_trees, random_forest

PEERS = {
    peer.name: peer
    for peer in (
        Peer("ridge VAR", ridge_var, "strength by leave-one-out error"),
        Peer("lasso VAR", lasso_var, "exact, one strength by held-out error"),
        Peer(
            "bivariate Granger", bivariate_granger, "largest partial correlation of a lag given the effect's own past"
        ),
        Peer("correlation", correlation, "absolute, of the same step"),
        Peer("extra trees", extra_trees, "100 trees, sqrt of the inputs to a split, leaves of 3 and more"),
        Peer("random forest", random_forest, "100 trees, a third of the inputs to a split, leaves of 1 and more"),
        Peer("PCMCI", pcmci, "ParCorr, pc_alpha 0.05, absolute test values"),
        Peer("VARLiNGAM", varlingam, "defaults, pruned; absolute lagged coefficients"),
        Peer("GRNBoost2", grnboost2, "its gradient boosting, early stopping, on lagged values"),
        Peer("VAR Granger tests", var_granger, "F statistics of each cause's lags in an unpenalised VAR"),
    )
}

__all__ = ["PEERS", "Peer", "PeerMissingError"]
