// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDcapVerifier} from "../interfaces/IDcapVerifier.sol";
import {TeeKind} from "../types/Tee.sol";
import {CallData} from "./CallData.sol";

/// @notice Where the parts of a quote are.
struct QuoteLayout {
    uint8 tee;
    /// @dev Where the report body begins: after the header, in version 5 after its body's type and
    ///      size, too.
    uint256 bodyStart;
    /// @dev End of the report body: what the attestation key signs goes up to here.
    uint256 bodyEnd;
}

/// @notice The forms of quotes that are supported: their lengths, what their report bodies must
///         say of a production enclave, and what names its image.
/// @dev Reference: Intel SGX ECDSA QuoteLib reference, tables 3 and 5 (version 3, SGX body); Intel
///      TDX DCAP Quoting Library API, appendix 3 (versions 4 and 5, TD 1.0 and TD 1.5 bodies);
///      Intel TDX Module ABI specification, "ATTRIBUTES". Shared with
///      `oracle/attestation/codecs/dcap.py` and `enclave/domain/evidence.py`.
library DcapQuote {
    /// @notice Most bytes of QE authentication data.
    uint256 internal constant MAX_AUTH_BYTES = 1024;
    /// @notice Bytes from the body's end to the authentication data.
    uint256 internal constant AUTH = 576;
    /// @dev Where a body has its attributes.
    uint256 private constant SGX_FLAGS = 48;
    uint256 private constant TD_FLAGS = 120;
    /// @dev Where a body has its 64 bytes of report data.
    uint256 private constant SGX_REPORT_DATA = 320;
    uint256 private constant TDX_REPORT_DATA = 520;

    /// @dev Version, key type 2 (ECDSA-256 with P-256), TEE type 0 or 0x81; little-endian.
    bytes8 private constant SGX_V3 = 0x0300020000000000;
    bytes8 private constant SGX_V4 = 0x0400020000000000;
    bytes8 private constant SGX_V5 = 0x0500020000000000;
    bytes8 private constant TDX_V4 = 0x0400020081000000;
    bytes8 private constant TDX_V5 = 0x0500020081000000;
    /// @dev Version 5: type (2 bytes) and size (4 bytes) of the body, little-endian.
    bytes6 private constant SGX_TYPE = 0x010080010000;
    bytes6 private constant TD10_TYPE = 0x020048020000;
    bytes6 private constant TD15_TYPE = 0x030088020000;

    uint256 private constant HEADER = 48;
    uint256 private constant BODY_TYPE = 6;
    uint256 private constant SGX_BODY = 384;
    uint256 private constant TD10_BODY = 584;
    /// @dev TD 1.0, then TEE_TCB_SVN2 (16) and MRSERVICETD (48).
    uint256 private constant TD15_BODY = 648;
    uint256 private constant SERVICE_TD = 600;
    /// @dev The shortest and the longest evidence of any form.
    uint256 private constant MIN_BYTES = HEADER + SGX_BODY + AUTH;
    uint256 private constant MAX_BYTES = HEADER + BODY_TYPE + TD15_BODY + AUTH + MAX_AUTH_BYTES;

    /// @dev DEBUG, PROVISION_KEY, EINITTOKEN_KEY.
    uint8 private constant SGX_FORBIDDEN = 0x32;
    uint8 private constant SGX_INIT = 0x01;
    /// @dev SEPT_VE_DISABLE (bit 28) is set. Free, and part of the image id, is what only gives the
    ///      TD a defence or counters of its own: ICSSD (16), LASS (27), PKS (30), PERFMON (63).
    ///      Clear is all else: TUD (0 to 7: DEBUG and the host's profiling), SERVTD_EXT (17),
    ///      MIGRATABLE (29), KL (31), TPA (62) and what is reserved.
    bytes8 private constant TD_ATTRIBUTES = 0x0000001000000000;
    bytes8 private constant TD_ATTRIBUTES_MASK = 0xfffffeb7ffffff7f;

    /// @notice The form of a quote. Its first bytes decide where everything is; the size that
    ///         version 5 gives is that of the type.
    /// @param evidence As `IDcapVerifier` has it.
    function parse(bytes calldata evidence) internal pure returns (QuoteLayout memory form) {
        uint256 length = evidence.length;
        require(
            length >= MIN_BYTES,
            IDcapVerifier.DcapVerifier_EvidenceLength(length, MIN_BYTES, MAX_BYTES)
        );
        bytes8 head = CallData.b8(evidence, 0);
        if (head == TDX_V4) form = _form(TeeKind.TDX, HEADER, TD10_BODY);
        else if (head == SGX_V3 || head == SGX_V4) form = _form(TeeKind.SGX, HEADER, SGX_BODY);
        else form = _version5(head, CallData.b6(evidence, HEADER));
        uint256 least;
        uint256 most;
        unchecked {
            least = form.bodyEnd + AUTH;
            most = least + MAX_AUTH_BYTES;
        }
        require(
            length >= least && length <= most,
            IDcapVerifier.DcapVerifier_EvidenceLength(length, least, most)
        );
    }

    /// @notice Refuse an enclave or a trust domain that is not for production, or that another one
    ///         may change.
    /// @param body Report body of one of the forms.
    function requireProduction(bytes calldata body, uint8 tee) internal pure {
        if (tee == TeeKind.SGX) {
            uint8 flags = CallData.u8(body, SGX_FLAGS);
            require(
                flags & SGX_FORBIDDEN == 0 && flags & SGX_INIT != 0,
                IDcapVerifier.DcapVerifier_EnclaveAttributes(flags, SGX_FORBIDDEN, SGX_INIT)
            );
            return;
        }
        bytes8 attributes = CallData.b8(body, TD_FLAGS);
        uint8 underDebug = uint8(attributes[0]);
        require(underDebug == 0, IDcapVerifier.DcapVerifier_TrustDomainUnderDebug(underDebug));
        require(
            attributes & TD_ATTRIBUTES_MASK == TD_ATTRIBUTES,
            IDcapVerifier.DcapVerifier_TrustDomainAttributes(
                attributes, TD_ATTRIBUTES_MASK, TD_ATTRIBUTES
            )
        );
        if (body.length == TD15_BODY) {
            bytes32 high = CallData.word(body, SERVICE_TD);
            bytes16 low = CallData.b16(body, SERVICE_TD + 32);
            require(high == 0 && low == 0, IDcapVerifier.DcapVerifier_ServiceTrustDomain(high, low));
        }
    }

    /// @notice Name of the measured image.
    /// @dev SGX: all of the report body but CPUSVN and report data. TDX: TDATTRIBUTES to RTMR3; of
    ///      TD 1.5 MRSERVICETD, too.
    /// @param body Report body of one of the forms.
    function imageId(bytes calldata body, uint8 tee) internal pure returns (bytes32) {
        if (tee == TeeKind.SGX) {
            return CallData.keccakTagged(tee, CallData.part(body, 16, SGX_REPORT_DATA - 16));
        }
        bytes calldata measured = CallData.part(body, TD_FLAGS, TDX_REPORT_DATA - TD_FLAGS);
        if (body.length == TD10_BODY) return CallData.keccakTagged(tee, measured);
        return keccak256(abi.encodePacked(tee, measured, CallData.from(body, SERVICE_TD)));
    }

    /// @notice The 64 bytes that the enclave or the trust domain chose.
    /// @param body Report body of one of the forms.
    function reportData(bytes calldata body, uint8 tee)
        internal
        pure
        returns (bytes32 first, bytes32 second)
    {
        uint256 start = tee == TeeKind.SGX ? SGX_REPORT_DATA : TDX_REPORT_DATA;
        unchecked {
            return (CallData.word(body, start), CallData.word(body, start + 32));
        }
    }

    /// @param seen Type and size of the body.
    function _version5(bytes8 head, bytes6 seen) private pure returns (QuoteLayout memory) {
        uint256 start = HEADER + BODY_TYPE;
        if (head == TDX_V5) {
            if (seen == TD15_TYPE) return _form(TeeKind.TDX, start, TD15_BODY);
            require(seen == TD10_TYPE, IDcapVerifier.DcapVerifier_UnsupportedBody(head, seen));
            return _form(TeeKind.TDX, start, TD10_BODY);
        }
        require(head == SGX_V5, IDcapVerifier.DcapVerifier_UnsupportedQuote(head));
        require(seen == SGX_TYPE, IDcapVerifier.DcapVerifier_UnsupportedBody(head, seen));
        return _form(TeeKind.SGX, start, SGX_BODY);
    }

    function _form(uint8 tee, uint256 bodyStart, uint256 bodySize)
        private
        pure
        returns (QuoteLayout memory)
    {
        unchecked {
            return QuoteLayout({tee: tee, bodyStart: bodyStart, bodyEnd: bodyStart + bodySize});
        }
    }
}
