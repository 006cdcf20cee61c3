"""Files of the OpenAI API: those that were uploaded, and those that batches put out."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file with its content. `purpose` is batch or batch_output; times are seconds since 1970."""

    id: str
    workspace: str
    filename: str
    purpose: str
    created_at: float
    content: bytes

    def shown(self) -> dict[str, object]:
        """The file object of the API."""
        return {
            "id": self.id,
            "object": "file",
            "bytes": len(self.content),
            "created_at": int(self.created_at),
            "expires_at": int(self.created_at) + 30 * 24 * 3600,
            "filename": self.filename,
            "purpose": self.purpose,
            "status": "processed",
            "status_details": None,
        }
