# SPDX-License-Identifier: BSD-3-Clause
"""What the end-to-end tests and the oracle share: namespaces, the wire, the daemon, the guests."""
