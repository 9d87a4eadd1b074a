// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Claims, IAttestationVerifier} from "../interfaces/IAttestationVerifier.sol";
import {IDcapVerifier, KeptPck} from "../interfaces/IDcapVerifier.sol";
import {Authority, IIntelCollateral, QuoteCollateral} from "../interfaces/IIntelCollateral.sol";
import {CallData} from "../libraries/CallData.sol";
import {DcapHints} from "../libraries/DcapHints.sol";
import {DcapQuote, QuoteLayout} from "../libraries/DcapQuote.sol";
import {DcapTcb} from "../libraries/DcapTcb.sol";
import {EvaluationNumbers} from "../libraries/EvaluationNumbers.sol";
import {P256} from "../libraries/P256.sol";
import {PckExtension, PckPlatform} from "../libraries/PckExtension.sol";
import {Certificate, X509} from "../libraries/X509.sol";
import {X509Crl} from "../libraries/X509Crl.sol";
import {Vendor} from "../types/Tee.sol";

/// @title Verifier of Intel's ECDSA quotes; see `IDcapVerifier`
contract DcapVerifier is IDcapVerifier {
    bytes16 private constant QE_VENDOR = 0x939a7233f79c4ca9940a0db3957f0607;
    uint256 private constant MAX_CERTIFICATE_BYTES = 4096;
    /// @dev As long as the longest list that `IIntelCollateral` takes.
    uint256 private constant MAX_SERIALS_BYTES = 49_152;
    /// @dev Of the parts after the body, by their distance from its end.
    uint256 private constant KEY = 64;
    uint256 private constant QE_REPORT = 128;
    uint256 private constant QE_SIGNATURE = 512;
    uint256 private constant AUTH = DcapQuote.AUTH;
    /// @dev In a QE report.
    uint256 private constant REPORT_DATA = 320;

    IIntelCollateral private immutable _collateral;
    address private immutable _p256;
    uint8 private immutable _tier;

    mapping(bytes32 pckId => KeptPck kept) private _pcks;

    /// @param collateral_ Where the root, the backend of P-256 and all that the vendor signs come
    ///        from.
    constructor(IIntelCollateral collateral_) {
        require(address(collateral_).code.length > 0, DcapVerifier_NoCode(address(collateral_)));
        _collateral = collateral_;
        _p256 = collateral_.p256();
        _tier = collateral_.tier();
    }

    /// @inheritdoc IAttestationVerifier
    function addEndorsements(bytes calldata endorsements) external {
        (bytes memory certificate, bytes32 caId, bytes memory serials) =
            abi.decode(endorsements, (bytes, bytes32, bytes));
        _cachePck(certificate, caId, serials);
    }

    /// @inheritdoc IDcapVerifier
    function cachePck(bytes calldata certificate, bytes32 caId, bytes calldata serials)
        external
        returns (bytes32 pckId)
    {
        return _cachePck(certificate, caId, serials);
    }

    /// @inheritdoc IDcapVerifier
    function evictPck(bytes calldata certificate, bytes32 caId, bytes calldata serials) external {
        _requireLengths(certificate.length, serials.length);
        (PckPlatform memory platform, bytes32 pckId) =
            _machineOf(X509.parse(certificate), certificate, caId);
        uint160 serial = _pcks[pckId].serial;
        require(_pcks[pckId].validUntil != 0, DcapVerifier_UnknownPck(pckId));
        (, bytes16 crl,) = _collateral.pckCollateral(caId);
        // What was brought is not verified; the serial number is that of what was.
        require(X509Crl.isListed(crl, serials, serial), DcapVerifier_NotRevoked(serial));
        delete _pcks[pckId];
        emit PckEvicted({pckId: pckId, caId: caId, hwId: _hwId(platform.ppid)});
    }

    /// @inheritdoc IAttestationVerifier
    function verify(bytes calldata evidence, bytes calldata hints)
        external
        view
        returns (Claims memory claims)
    {
        // 1. Form: a supported version with exactly the parts it has, from Intel's quoting enclave.
        QuoteLayout memory form = DcapQuote.parse(evidence);
        _requireVendor(CallData.b16(evidence, 12));
        (bytes calldata numbers, bytes calldata rest) = DcapHints.take(DcapHints.items(hints));
        // 2. Collateral: the documents that the hints name are there and in date, none revoked.
        QuoteCollateral memory live = _liveCollateral(claims, form.tee, hints, numbers.length > 0);
        // 3. to 5. Machine, quoting enclave and quote: each is vouched for by the one before.
        {
            bytes calldata report;
            (claims.notAfter, report) = _requireGenuine(evidence, hints, form.bodyEnd, live.epoch);
            // 6. Attributes: no debugger, no key of the platform's own enclaves, no service TD.
            DcapQuote.requireProduction(_body(evidence, form), form.tee);
            // 7. Levels: what the collateral says of quoting enclave, platform and TDX module.
            rest = DcapTcb.quotingEnclave(claims, report, hints, live.qe, rest);
        }
        bytes calldata body = _body(evidence, form);
        rest = DcapTcb.platform(claims, body, form.tee, hints, live.tcb, rest);
        DcapHints.finish(rest);
        // 8. Numbers: when the collateral's became public, and when it was superseded.
        if (numbers.length > 0) _date(claims, live.numbers, hints, numbers);
        // 9. Claims.
        claims.tee = form.tee;
        claims.tier = _tier;
        claims.imageId = DcapQuote.imageId(body, form.tee);
        claims.hwId = _hwId(DcapHints.ppid(hints));
        (claims.reportData0, claims.reportData1) = DcapQuote.reportData(body, form.tee);
    }

    /// @inheritdoc IDcapVerifier
    function pck(bytes32 pckId) external view returns (KeptPck memory) {
        return _pcks[pckId];
    }

    /// @inheritdoc IDcapVerifier
    function collateral() external view returns (IIntelCollateral) {
        return _collateral;
    }

    /// @inheritdoc IAttestationVerifier
    function tier() external view returns (uint8) {
        return _tier;
    }

    /// @inheritdoc IAttestationVerifier
    function name() external pure returns (string memory) {
        return "dcap/1";
    }

    function _cachePck(bytes memory certificate, bytes32 caId, bytes memory serials)
        private
        returns (bytes32 pckId)
    {
        _requireLengths(certificate.length, serials.length);
        Certificate memory c = X509.parse(certificate);
        (Authority memory ca, bytes16 crl,) = _collateral.pckCollateral(caId);
        uint40 validUntil = _requireLeaf(c, ca);
        X509Crl.requireNotListed(crl, serials, c.serial);
        PckPlatform memory platform;
        (platform, pckId) = _machineOf(c, certificate, caId);
        KeptPck memory kept = _pcks[pckId];
        // Nobody shortens what is kept by another certificate of the same machine.
        if (kept.epoch != ca.epoch || kept.validUntil < validUntil) {
            _pcks[pckId] = KeptPck({validUntil: validUntil, epoch: ca.epoch, serial: c.serial});
        }
        emit PckCached({
            pckId: pckId,
            caId: caId,
            hwId: _hwId(platform.ppid),
            validUntil: validUntil,
            certificate: certificate
        });
    }

    /// @dev What the hints name, and what that says by itself in the claims.
    function _liveCollateral(Claims memory claims, uint8 tee, bytes calldata hints, bool isDated)
        private
        view
        returns (QuoteCollateral memory live)
    {
        (uint32 tcbNumber, uint32 qeNumber) = DcapHints.numbers(hints);
        live = _collateral.quoteCollateral({
            tee: tee,
            fmspc: DcapHints.fmspc(hints),
            tcbNumber: tcbNumber,
            qeNumber: qeNumber,
            caId: DcapHints.caId(hints),
            isDated: isDated
        });
        claims.evaluationNumber = tcbNumber < qeNumber ? tcbNumber : qeNumber;
        claims.collateralUntil = live.validUntil;
    }

    /// @dev A certificate that its CA issued for a machine, now.
    /// @return validUntil The earlier end of both.
    function _requireLeaf(Certificate memory c, Authority memory ca)
        private
        view
        returns (uint40 validUntil)
    {
        require(
            bytes16(c.issuer) == ca.name, DcapVerifier_IssuerMismatch(bytes16(c.issuer), ca.name)
        );
        require(
            P256.verify({backend: _p256, digest: c.digest, r: c.r, s: c.s, x: ca.x, y: ca.y}),
            DcapVerifier_CertificateSignature(c.id)
        );
        require(
            c.notBefore <= block.timestamp,
            DcapVerifier_CertificateNotYetValid(c.notBefore, block.timestamp)
        );
        // forge-lint: disable-next-line(unsafe-typecast) years have four digits: below 2^38
        validUntil = c.notAfter < ca.validUntil ? uint40(c.notAfter) : ca.validUntil;
        _requireNotExpired(validUntil);
        require(!c.isCa, DcapVerifier_LeafIsCa(c.id));
        uint8 set = X509.DIGITAL_SIGNATURE;
        uint8 clear = X509.KEY_CERT_SIGN;
        require(
            c.keyUsage & set == set && c.keyUsage & clear == 0,
            DcapVerifier_KeyUsage(c.keyUsage, set, clear)
        );
    }

    function _body(bytes calldata evidence, QuoteLayout memory form)
        private
        pure
        returns (bytes calldata)
    {
        return CallData.part(evidence, form.bodyStart, form.bodyEnd - form.bodyStart);
    }

    function _requireVendor(bytes16 vendor) private pure {
        require(vendor == QE_VENDOR, DcapVerifier_QeVendor(vendor, QE_VENDOR));
    }

    /// @return notAfter The end of the machine's certificate.
    /// @return report The quoting enclave's.
    function _requireGenuine(
        bytes calldata evidence,
        bytes calldata hints,
        uint256 bodyEnd,
        uint16 epoch
    ) private view returns (uint40 notAfter, bytes calldata report) {
        // 3. Machine: its PCK certificate was verified in this revocation epoch and has not ended.
        bytes calldata machine = DcapHints.machine(hints);
        notAfter = _requireKept(CallData.keccak(machine), epoch);
        // 4. Quoting enclave: the machine signed its report, which names the attestation key.
        bytes calldata tail = CallData.from(evidence, bodyEnd);
        report = CallData.part(tail, QE_REPORT, QE_SIGNATURE - QE_REPORT);
        _requireQuotingEnclave(tail, report, machine);
        // 5. Quote: header and report body are signed by the attestation key.
        require(
            _isSigned(CallData.part(evidence, 0, bodyEnd), tail, CallData.from(tail, KEY)),
            DcapVerifier_QuoteSignature()
        );
    }

    /// @return The end of the machine's certificate.
    function _requireKept(bytes32 pckId, uint16 epoch) private view returns (uint40) {
        KeptPck storage kept = _pcks[pckId];
        uint40 validUntil = kept.validUntil;
        require(validUntil != 0, DcapVerifier_UnknownPck(pckId));
        require(kept.epoch == epoch, DcapVerifier_PckEpoch(kept.epoch, epoch));
        _requireNotExpired(validUntil);
        return validUntil;
    }

    /// @dev The QE report is the machine's. Its data = SHA-256(key | authentication data) | 32 zero
    ///      bytes.
    /// @param tail Everything after the body.
    function _requireQuotingEnclave(
        bytes calldata tail,
        bytes calldata report,
        bytes calldata machine
    ) private view {
        require(
            _isSigned(report, CallData.from(tail, QE_SIGNATURE), machine),
            DcapVerifier_QeReportSignature()
        );
        bytes32 wanted =
            CallData.sha(CallData.part(tail, KEY, QE_REPORT - KEY), CallData.from(tail, AUTH));
        bytes32 seen = CallData.word(report, REPORT_DATA);
        require(seen == wanted, DcapVerifier_QeReportData(seen, wanted));
        bytes32 rest = CallData.word(report, REPORT_DATA + 32);
        require(rest == 0, DcapVerifier_QeReportDataTail(rest));
    }

    /// @param signature Begins with r and s, 32 bytes each.
    /// @param key Begins with x and y, 32 bytes each.
    function _isSigned(bytes calldata message, bytes calldata signature, bytes calldata key)
        private
        view
        returns (bool)
    {
        return P256.verify({
            backend: _p256,
            digest: CallData.sha(message, CallData.part(message, 0, 0)),
            r: CallData.word(signature, 0),
            s: CallData.word(signature, 32),
            x: CallData.word(key, 0),
            y: CallData.word(key, 32)
        });
    }

    function _requireNotExpired(uint256 end) private view {
        require(end >= block.timestamp, DcapVerifier_CertificateExpired(end, block.timestamp));
    }

    /// @dev What the certificate says of its machine, and the id of that; nothing is verified.
    function _machineOf(Certificate memory c, bytes memory certificate, bytes32 caId)
        private
        pure
        returns (PckPlatform memory platform, bytes32 pckId)
    {
        require(c.sgxEnd != 0, DcapVerifier_NoSgxExtension(c.id));
        platform = PckExtension.parse(certificate, c.sgxStart, c.sgxEnd);
        pckId = keccak256(
            abi.encodePacked(
                c.x,
                c.y,
                caId,
                platform.ppid,
                platform.fmspc,
                platform.pceid,
                platform.pcesvn,
                platform.components
            )
        );
    }

    /// @dev When the number became public, and when a higher one did.
    function _date(
        Claims memory claims,
        bytes16 committed,
        bytes calldata hints,
        bytes calldata table
    ) private pure {
        (claims.publicSince, claims.supersededAt) =
            EvaluationNumbers.dates(committed, table, claims.evaluationNumber);
        (uint32 tcbNumber, uint32 qeNumber) = DcapHints.numbers(hints);
        if (tcbNumber != qeNumber) claims.publicSince = 0;
    }

    function _requireLengths(uint256 certificate, uint256 serials) private pure {
        require(
            certificate <= MAX_CERTIFICATE_BYTES,
            DcapVerifier_TooLong(certificate, MAX_CERTIFICATE_BYTES)
        );
        require(serials <= MAX_SERIALS_BYTES, DcapVerifier_TooLong(serials, MAX_SERIALS_BYTES));
    }

    function _hwId(bytes16 ppid) private pure returns (bytes32) {
        return keccak256(abi.encodePacked(Vendor.INTEL, ppid));
    }
}
