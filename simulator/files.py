"""Files of the OpenAI and the Gemini API: those that were uploaded, and those that batches put out."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file with its content. `purpose` is batch or batch_output; times are seconds since 1970.

    `filename` is what Google calls its display name; `expires_at` and `mime_type` are shown at Google alone.
    """

    id: str
    workspace: str
    filename: str
    purpose: str
    created_at: float
    content: bytes
    expires_at: float = 0.0
    mime_type: str = ""
    provider: str = "openai"

    def shown(self) -> dict[str, object]:
        """The file object of OpenAI's API."""
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


@dataclass(slots=True)
class Upload:
    """A resumable upload to Google that has been started and not yet finalized. `file_id` is what the file is to be called."""

    workspace: str
    file_id: str
    filename: str
    mime_type: str
    content: bytearray = field(default_factory=bytearray)
