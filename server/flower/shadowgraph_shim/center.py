"""What Flower wants of an app; of it the center's own task runner reads nothing."""

from flwr.serverapp import ServerApp

app = ServerApp()
