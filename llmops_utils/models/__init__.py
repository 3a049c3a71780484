"""A model behind one name: settings to client, reply, budget, recording, server, weights, catalog."""

from .budget import Budget, bound_tokens, price_tokens
from .catalog import LocalModel, load_catalog
from .connection import ADAPTERS, choose_local_models, connect, embed_here, find_key, name_source
from .model import Model
from .recording import Recorder, Recordings, hash_key
from .reply import Provenance, Reply, TokenChance
from .schemas import close_schema, find_choice, fold_text, import_jsonschema, list_named, parse_json
from .server import start_server
from .weights import ADAPTER_DETAILS, AdapterFile, check_base, fetch_weights, find_adapter, has_weights
