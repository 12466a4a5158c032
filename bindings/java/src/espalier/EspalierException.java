// SPDX-License-Identifier: Apache-2.0
package espalier;

import java.nio.charset.StandardCharsets;
import java.util.OptionalLong;

/** A failure: its status, and the place in the file where there is one. */
public class EspalierException extends RuntimeException {
    private static final long serialVersionUID = 1;

    private final int status;
    private final int systemErrno;
    private final long fileOffset;
    private final int formatRule;

    /* Called from C. */
    EspalierException(int status, byte[] message, int systemErrno, long fileOffset,
            int formatRule) {
        super(new String(message, StandardCharsets.UTF_8));
        this.status = status;
        this.systemErrno = systemErrno;
        this.fileOffset = fileOffset;
        this.formatRule = formatRule;
    }

    EspalierException(int status, String what) {
        super(what + Native.text(Native.statusMessage(status)));
        this.status = status;
        this.systemErrno = 0;
        this.fileOffset = -1;
        this.formatRule = 0;
    }

    /** The number in {@code espalier.h}. */
    public int status() {
        return status;
    }

    /** The name in {@code espalier.h}, as {@code "ESPALIER_ERROR_TRUNCATED"}. */
    public String statusName() {
        return Native.text(Native.statusName(status));
    }

    /** errno of the failed system call, or 0. */
    public int systemErrno() {
        return systemErrno;
    }

    /** Bytes from the file's start, where there is a place to name. */
    public OptionalLong fileOffset() {
        return fileOffset < 0 ? OptionalLong.empty() : OptionalLong.of(fileOffset);
    }

    /** n of the rule [F-n] that the file breaks, or 0. */
    public int formatRule() {
        return formatRule;
    }
}
