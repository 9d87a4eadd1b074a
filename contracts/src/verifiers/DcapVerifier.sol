// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Claims, IAttestationVerifier} from "../interfaces/IAttestationVerifier.sol";
import {
    CachedCa,
    CachedPck,
    IDcapVerifier,
    QuotingEnclave,
    TrustAnchor
} from "../interfaces/IDcapVerifier.sol";
import {DcapQuote, QuoteLayout} from "../libraries/DcapQuote.sol";
import {P256} from "../libraries/P256.sol";
import {PckExtension, PckPlatform} from "../libraries/PckExtension.sol";
import {Certificate, X509} from "../libraries/X509.sol";
import {TeeKind, Tier, Vendor} from "../types/Tee.sol";

/// @title Verifier of Intel's ECDSA quotes; see `IDcapVerifier`
contract DcapVerifier is IDcapVerifier {
    /// @dev Intel SGX Root CA, serial number 22650CD65A9D3489F383B49552BF501B392706AC.
    bytes32 private constant INTEL_ROOT_X =
        0x0ba9c4c0c0c86193a3fe23d6b02cda10a8bbd4e88e48b4458561a36e705525f5;
    bytes32 private constant INTEL_ROOT_Y =
        0x67918e2edc88e40d860bd0cc4ee26aacc988e505a953558c453f6b0904ae7394;
    bytes16 private constant QE_VENDOR = 0x939a7233f79c4ca9940a0db3957f0607;
    /// @dev INIT and PROVISION_KEY set; MODE64BIT and XFRM free; all other flags, DEBUG among them,
    ///     clear.
    bytes16 private constant QE_ATTRIBUTES = 0x11000000000000000000000000000000;
    bytes16 private constant QE_ATTRIBUTES_MASK = 0xfbffffffffffffff0000000000000000;
    uint256 private constant MAX_CERTIFICATE_BYTES = 4096;
    /// @dev Of the parts after the body, by their distance from its end.
    uint256 private constant KEY = 64;
    uint256 private constant QE_REPORT = 128;
    uint256 private constant QE_SIGNATURE = 512;
    uint256 private constant AUTH = DcapQuote.AUTH;

    bytes32 private immutable _rootX;
    bytes32 private immutable _rootY;
    bytes32 private immutable _rootNameHash;
    uint64 private immutable _rootNotAfter;
    bytes32 private immutable _qeMrSigner;
    uint16 private immutable _sgxQeProdId;
    uint16 private immutable _tdxQeProdId;
    uint8 private immutable _tier;

    mapping(bytes32 caId => CachedCa ca) private _cas;
    mapping(bytes32 pckId => CachedPck pck) private _pcks;

    constructor(TrustAnchor memory root_, QuotingEnclave memory qe) {
        require(
            root_.x != INTEL_ROOT_X || root_.y != INTEL_ROOT_Y,
            DcapVerifier_RootNotYetSupported(root_.x, root_.y)
        );
        require(
            block.chainid == 31_337 || block.chainid == 1337,
            DcapVerifier_DevOnlyOnLocalChain(block.chainid)
        );
        require(P256.isAvailable(P256.PRECOMPILE), DcapVerifier_NoP256Precompile());
        require(
            root_.x != 0 && root_.y != 0 && root_.nameHash != 0 && qe.mrSigner != 0,
            DcapVerifier_ZeroConstant()
        );
        require(
            root_.notAfter >= block.timestamp,
            DcapVerifier_RootExpired(root_.notAfter, block.timestamp)
        );
        (_rootX, _rootY, _rootNameHash, _rootNotAfter) =
        (root_.x, root_.y, root_.nameHash, root_.notAfter);
        (_qeMrSigner, _sgxQeProdId, _tdxQeProdId) = (qe.mrSigner, qe.sgxProdId, qe.tdxProdId);
        _tier = Tier.DEV;
    }

    /// @inheritdoc IDcapVerifier
    function cacheCa(bytes calldata certificate) external returns (bytes32 caId) {
        Certificate memory c = _verified({
            certificate: certificate,
            x: _rootX,
            y: _rootY,
            nameHash: _rootNameHash,
            issuerNotAfter: _rootNotAfter
        });
        caId = c.id;
        // The profile's intermediate: it signs certificates, none of them a CA.
        require(c.isCa, DcapVerifier_NotACa(caId));
        require(c.pathLength == 0, DcapVerifier_PathLength(c.pathLength, 0));
        _requireUsage({seen: c.keyUsage, set: X509.KEY_CERT_SIGN, clear: 0});
        _cas[caId] = CachedCa({x: c.x, y: c.y, nameHash: c.subject, notAfter: c.notAfter});
        emit CaCached({caId: caId, notAfter: c.notAfter, certificate: certificate});
    }

    /// @inheritdoc IAttestationVerifier
    function addEndorsements(bytes calldata endorsements) external {
        (bytes memory certificate, bytes32 caId) = abi.decode(endorsements, (bytes, bytes32));
        _cachePck(certificate, caId);
    }

    /// @inheritdoc IDcapVerifier
    function cachePck(bytes calldata certificate, bytes32 caId) external returns (bytes32 pckId) {
        return _cachePck(certificate, caId);
    }

    function _cachePck(bytes memory certificate, bytes32 caId) private returns (bytes32 pckId) {
        CachedCa memory issuer = _cas[caId];
        require(issuer.notAfter != 0, DcapVerifier_UnknownCa(caId));
        Certificate memory c = _verified({
            certificate: certificate,
            x: issuer.x,
            y: issuer.y,
            nameHash: issuer.nameHash,
            issuerNotAfter: issuer.notAfter
        });
        pckId = c.id;
        require(!c.isCa, DcapVerifier_LeafIsCa(pckId));
        _requireUsage({seen: c.keyUsage, set: X509.DIGITAL_SIGNATURE, clear: X509.KEY_CERT_SIGN});
        require(c.sgxEnd != 0, DcapVerifier_NoSgxExtension(pckId));
        PckPlatform memory platform = PckExtension.parse(certificate, c.sgxStart, c.sgxEnd);
        _pcks[pckId] = CachedPck({
            x: c.x,
            y: c.y,
            ppid: platform.ppid,
            fmspc: platform.fmspc,
            // A certificate's year has four digits: far below 2^40 seconds.
            notAfter: uint40(c.notAfter)
        });
        emit PckCached({
            pckId: pckId,
            caId: caId,
            hwId: _hwId(platform.ppid),
            notAfter: c.notAfter,
            certificate: certificate
        });
    }

    /// @inheritdoc IAttestationVerifier
    function verify(bytes calldata evidence, bytes calldata hints)
        external
        view
        returns (Claims memory claims)
    {
        // 1. Form: a supported version with exactly the parts it has, from Intel's quoting enclave.
        QuoteLayout memory form = DcapQuote.parse(evidence);
        bytes16 vendor = bytes16(evidence[12:28]);
        require(vendor == QE_VENDOR, DcapVerifier_QeVendor(vendor, QE_VENDOR));
        bytes calldata tail = evidence[form.bodyEnd:];
        // 2. Machine: its PCK certificate was verified up to the root and none above has ended.
        (bytes32 pckId, CachedPck memory machine) = _machine(hints);
        // 3. Quoting enclave: the machine signed its report; it is the vendor's production enclave.
        bytes calldata report = tail[QE_REPORT:QE_SIGNATURE];
        require(
            _isSigned(report, tail[QE_SIGNATURE:AUTH], machine.x, machine.y),
            DcapVerifier_QeReportSignature(pckId)
        );
        _requireQuotingEnclave(report, form.tee == TeeKind.TDX ? _tdxQeProdId : _sgxQeProdId);
        // 4. Attestation key: the quoting enclave's report names it.
        _requireAttestationKey(tail);
        // 5. Quote: header and report body are signed by the attestation key.
        require(
            _isSigned(evidence[:form.bodyEnd], tail[:KEY], _word(tail, KEY), _word(tail, KEY + 32)),
            DcapVerifier_QuoteSignature()
        );
        // 6. Attributes: no debugger, no key of the platform's own enclaves, no service TD.
        bytes calldata body = evidence[form.bodyStart:form.bodyEnd];
        DcapQuote.requireProduction(body, form.tee);
        // 7. Claims.
        claims.tee = form.tee;
        claims.tier = _tier;
        claims.imageId = DcapQuote.imageId(body, form.tee);
        claims.hwId = _hwId(machine.ppid);
        (claims.reportData0, claims.reportData1) = DcapQuote.reportData(body, form.tee);
        claims.notAfter = machine.notAfter;
    }

    /// @inheritdoc IDcapVerifier
    function ca(bytes32 caId) external view returns (CachedCa memory) {
        return _cas[caId];
    }

    /// @inheritdoc IDcapVerifier
    function pck(bytes32 pckId) external view returns (CachedPck memory) {
        return _pcks[pckId];
    }

    /// @inheritdoc IDcapVerifier
    function root() external view returns (TrustAnchor memory) {
        return TrustAnchor({x: _rootX, y: _rootY, nameHash: _rootNameHash, notAfter: _rootNotAfter});
    }

    /// @inheritdoc IDcapVerifier
    function quotingEnclave() external view returns (QuotingEnclave memory) {
        return
            QuotingEnclave({
                mrSigner: _qeMrSigner, sgxProdId: _sgxQeProdId, tdxProdId: _tdxQeProdId
            });
    }

    /// @inheritdoc IAttestationVerifier
    function tier() external view returns (uint8) {
        return _tier;
    }

    /// @inheritdoc IAttestationVerifier
    function name() external pure returns (string memory) {
        return "dcap/1";
    }

    /// @dev Parse a certificate and check name, dates and signature against its issuer, which ends
    ///     it at the latest.
    function _verified(
        bytes memory certificate,
        bytes32 x,
        bytes32 y,
        bytes32 nameHash,
        uint64 issuerNotAfter
    ) private view returns (Certificate memory c) {
        require(
            certificate.length <= MAX_CERTIFICATE_BYTES,
            DcapVerifier_CertificateTooLong(certificate.length, MAX_CERTIFICATE_BYTES)
        );
        c = X509.parse(certificate);
        require(c.issuer == nameHash, DcapVerifier_IssuerMismatch(c.issuer, nameHash));
        require(
            P256.verify({backend: P256.PRECOMPILE, digest: c.digest, r: c.r, s: c.s, x: x, y: y}),
            DcapVerifier_CertificateSignature(c.id)
        );
        require(
            c.notBefore <= block.timestamp,
            DcapVerifier_CertificateNotYetValid(c.notBefore, block.timestamp)
        );
        if (issuerNotAfter < c.notAfter) c.notAfter = issuerNotAfter;
        require(
            c.notAfter >= block.timestamp,
            DcapVerifier_CertificateExpired(c.notAfter, block.timestamp)
        );
    }

    /// @dev The machine that the hints name; none of its certificates has ended.
    function _machine(bytes calldata hints)
        private
        view
        returns (bytes32 pckId, CachedPck memory machine)
    {
        require(hints.length == 32, DcapVerifier_HintsLength(hints.length, 32));
        pckId = _word(hints, 0);
        machine = _pcks[pckId];
        require(machine.notAfter != 0, DcapVerifier_UnknownPck(pckId));
        require(
            machine.notAfter >= block.timestamp,
            DcapVerifier_CertificateExpired(machine.notAfter, block.timestamp)
        );
    }

    /// @param signature r and s, 32 bytes each.
    function _isSigned(bytes calldata message, bytes calldata signature, bytes32 x, bytes32 y)
        private
        view
        returns (bool)
    {
        return P256.verify({
            backend: P256.PRECOMPILE,
            digest: sha256(message),
            r: _word(signature, 0),
            s: _word(signature, 32),
            x: x,
            y: y
        });
    }

    /// @param report The QE report body, 384 bytes.
    function _requireQuotingEnclave(bytes calldata report, uint16 prodId) private view {
        bytes32 mrSigner = _word(report, 128);
        require(mrSigner == _qeMrSigner, DcapVerifier_QeSigner(mrSigner, _qeMrSigner));
        // Little-endian.
        uint16 product = uint16(uint8(report[256])) | (uint16(uint8(report[257])) << 8);
        require(product == prodId, DcapVerifier_QeProduct(product, prodId));
        bytes16 attributes = bytes16(report[48:64]) & QE_ATTRIBUTES_MASK;
        require(attributes == QE_ATTRIBUTES, DcapVerifier_QeAttributes(attributes, QE_ATTRIBUTES));
    }

    /// @param tail Everything after the body. QE report data = SHA-256(key | authentication data) |
    ///        32 zero bytes.
    function _requireAttestationKey(bytes calldata tail) private pure {
        bytes32 wanted = sha256(bytes.concat(tail[KEY:QE_REPORT], tail[AUTH:]));
        bytes32 seen = _word(tail, QE_REPORT + 320);
        require(seen == wanted, DcapVerifier_QeReportData(seen, wanted));
        bytes32 rest = _word(tail, QE_REPORT + 352);
        require(rest == 0, DcapVerifier_QeReportDataTail(rest));
    }

    function _requireUsage(uint8 seen, uint8 set, uint8 clear) private pure {
        require(seen & set == set && seen & clear == 0, DcapVerifier_KeyUsage(seen, set, clear));
    }

    function _hwId(bytes16 ppid) private pure returns (bytes32) {
        return keccak256(abi.encodePacked(Vendor.INTEL, ppid));
    }

    function _word(bytes calldata data, uint256 offset) private pure returns (bytes32) {
        return bytes32(data[offset:offset + 32]);
    }
}
