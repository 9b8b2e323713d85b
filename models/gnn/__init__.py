"""Graph networks over the knowledge graph: features in, vectors out, so new nodes work too.

adjacency   relations as row-normalised sparse matrices, both directions
relational  RelationalConv (one relation) and RelationalGNN (two steps over all of them)
pretrain    texts and facts learn to tell each other before the first event
hetero      to and from torch-geometric's HeteroData
"""

from models.gnn.adjacency import Adjacency, adjacencies
from models.gnn.relational import RelationalConv, RelationalGNN

__all__ = ["Adjacency", "adjacencies", "RelationalConv", "RelationalGNN"]
