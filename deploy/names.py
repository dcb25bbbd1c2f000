"""The names of Attune's processes that every way of running them shares."""

SERVICES = ("people", "goals", "reviews", "scoring", "notify")
# Who signs tokens for calls between processes, and who issues users' tokens in local mode.
SIGNERS = ("gateway", "worker", "bridge", *SERVICES)
LOCAL_ISSUER = "issuer"
# The roles of each service, in the order of bootstrap.sql.
ROLE_KINDS = ("owner", "app", "system")
