// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ICertificateParser} from "../interfaces/ICertificateParser.sol";
import {
    Authority,
    Collateral,
    IIntelCollateral,
    QuoteCollateral
} from "../interfaces/IIntelCollateral.sol";
import {Der} from "../libraries/Der.sol";
import {EvaluationNumbers, ParsedEvaluationNumbers} from "../libraries/EvaluationNumbers.sol";
import {ParsedQeIdentity, QeIdentity} from "../libraries/QeIdentity.sol";
import {ParsedTcbInfo, TcbInfo} from "../libraries/TcbInfo.sol";
import {Certificate, X509} from "../libraries/X509.sol";
import {Crl, X509Crl} from "../libraries/X509Crl.sol";
import {CollateralWord, CollateralWords} from "../types/CollateralWord.sol";
import {Tier} from "../types/Tee.sol";
import {CertificateParser} from "./CertificateParser.sol";
import {CollateralChecks} from "./CollateralChecks.sol";

/// @title Intel's signed collateral for SGX and TDX quotes; see `IIntelCollateral`
contract IntelCollateral is CollateralChecks {
    /// @dev keccak256 of both coordinates of the key of Intel SGX Root CA, serial number
    ///      22650CD65A9D3489F383B49552BF501B392706AC.
    bytes32 private constant INTEL_ROOT_KEY =
        0x89f72d7c488e5b53a77c23ebcb36970ef7eb5bcf6658e9b8292cfbe4703a8473;
    /// @dev keccak256 of the DER `Name` CN=Intel SGX TCB Signing, O=Intel Corporation, L=Santa
    ///      Clara, ST=CA, C=US.
    bytes32 private constant INTEL_SIGNER_NAME =
        0x048bd42849dc20c563977be866923795e269396947dfe4773512441b25c9d413;
    uint256 private constant MAX_CERTIFICATE_BYTES = 4096;
    /// @dev Some seventy serial numbers, a slot each; the root issues few certificates.
    uint256 private constant MAX_ROOT_CRL_BYTES = 4096;
    uint256 private constant MAX_PCK_CRL_BYTES = 49_152;
    uint256 private constant MAX_JSON_BYTES = 32_768;
    /// @dev First byte of the keys of `_collateral`.
    uint256 private constant TCB_INFO = 1;
    uint256 private constant QE_IDENTITY = 2;
    uint256 private constant EVALUATION_NUMBERS = 3;

    bytes32 private immutable _rootX;
    bytes32 private immutable _rootY;
    bytes32 private immutable _rootName;
    uint40 private immutable _rootNotAfter;
    bytes32 private immutable _signerName;
    uint8 private immutable _tier;
    ICertificateParser private immutable _parser;

    Collateral private _rootCrl;
    mapping(bytes32 authorityId => Authority authority_) private _authorities;
    mapping(bytes32 caId => Collateral crl) private _pckCrls;
    mapping(bytes32 key => Collateral collateral) private _collateral;
    mapping(uint160 serial => bool isRevoked_) private _revoked;

    /// @param rootCertificate The root, signed by itself; DER.
    /// @param signerName_ keccak256 of the TCB signing certificate's subject, the whole DER `Name`.
    /// @param hasPrecompile Whether the chain has P256VERIFY at 0x100; if not, `SolidityP256` is
    ///        created in its stead.
    constructor(bytes memory rootCertificate, bytes32 signerName_, bool hasPrecompile)
        CollateralChecks(hasPrecompile)
    {
        _requireLength(rootCertificate.length, MAX_CERTIFICATE_BYTES);
        ICertificateParser parser = new CertificateParser();
        _parser = parser;
        Certificate memory c = parser.certificate(rootCertificate);
        _requireCa(c, 1);
        require(c.issuer == c.subject, IntelCollateral_Issuer(c.issuer, c.subject));
        _requireSigned(c.digest, c.r, c.s, c.x, c.y);
        _requireWindow(c.notBefore, c.notAfter);
        _tier = _tierOf(keccak256(abi.encode(c.x, c.y)), signerName_);
        (_rootX, _rootY, _rootName, _signerName) = (c.x, c.y, c.subject, signerName_);
        // forge-lint: disable-next-line(unsafe-typecast) years have four digits: below 2^38
        _rootNotAfter = uint40(c.notAfter);
    }

    /// @inheritdoc IIntelCollateral
    function updateRootCrl(bytes calldata crl) external {
        _requireLength(crl.length, MAX_ROOT_CRL_BYTES);
        Crl memory list = _parser.crl(crl);
        require(list.issuer == _rootName, IntelCollateral_Issuer(list.issuer, _rootName));
        _requireSigned(list.digest, list.r, list.s, _rootX, _rootY);
        Collateral memory old = _rootCrl;
        _requireNewer(list.thisUpdate, uint256(old.issuedAt) + 1);
        require(list.number >= old.number, IntelCollateral_CrlNumber(list.number, old.number));
        bool hasNews = _revoke(list.serials);
        Collateral memory made = Collateral({
            digest: X509Crl.digest(list.serials),
            number: list.number,
            issuedAt: list.thisUpdate,
            validUntil: _earlier(list.nextUpdate, _rootNotAfter),
            epoch: hasNews || old.epoch == 0 ? old.epoch + 1 : old.epoch
        });
        _requireWindow(made.issuedAt, made.validUntil);
        _rootCrl = made;
        emit RootCrlUpdated(made.number, made.issuedAt, made.validUntil, made.epoch, list.serials);
    }

    /// @inheritdoc IIntelCollateral
    function cacheAuthority(bytes calldata certificate) external returns (bytes32 authorityId) {
        CollateralWord current = _liveRootCrl();
        _requireLength(certificate.length, MAX_CERTIFICATE_BYTES);
        Certificate memory c = _parser.certificate(certificate);
        authorityId = c.id;
        require(c.issuer == _rootName, IntelCollateral_Issuer(c.issuer, _rootName));
        _requireSigned(c.digest, c.r, c.s, _rootX, _rootY);
        require(!_revoked[c.serial], IntelCollateral_Revoked(c.serial));
        if (c.isCa) {
            // The profile's intermediate: it signs certificates, none of them a CA, and their CRL.
            _requireCa(c, 0);
        } else {
            require(c.subject == _signerName, IntelCollateral_Issuer(c.subject, _signerName));
            _requireUsage(c.keyUsage, X509.DIGITAL_SIGNATURE, X509.KEY_CERT_SIGN | X509.CRL_SIGN);
        }
        // forge-lint: disable-next-line(unsafe-typecast) years have four digits: below 2^38
        uint40 validUntil = _earlier(uint40(c.notAfter), _rootNotAfter);
        _requireWindow(c.notBefore, validUntil);
        _authorities[authorityId] = Authority({
            x: c.x,
            y: c.y,
            name: bytes16(c.subject),
            validUntil: validUntil,
            epoch: current.epoch(),
            isCa: c.isCa
        });
        emit AuthorityCached(authorityId, c.isCa, validUntil, current.epoch(), certificate);
    }

    /// @inheritdoc IIntelCollateral
    function updatePckCrl(bytes calldata crl, bytes32 caId) external {
        CollateralWord current = _liveRootCrl();
        Authority memory ca = _liveAuthority(caId, true, current.epoch());
        _requireLength(crl.length, MAX_PCK_CRL_BYTES);
        Crl memory list = _parser.crl(crl);
        require(
            bytes16(list.issuer) == ca.name, IntelCollateral_Issuer(bytes16(list.issuer), ca.name)
        );
        _requireSigned(list.digest, list.r, list.s, ca.x, ca.y);
        Collateral memory old = _pckCrls[caId];
        require(list.number >= old.number, IntelCollateral_CrlNumber(list.number, old.number));
        Collateral memory made = Collateral({
            digest: X509Crl.digest(list.serials),
            number: list.number,
            issuedAt: list.thisUpdate,
            validUntil: _earlier(list.nextUpdate, ca.validUntil),
            epoch: current.epoch()
        });
        _requireUpdate(made, old);
        _pckCrls[caId] = made;
        emit PckCrlUpdated(
            caId, made.number, made.issuedAt, made.validUntil, made.epoch, list.serials
        );
    }

    /// @inheritdoc IIntelCollateral
    function updateTcbInfo(bytes calldata json, bytes32 r, bytes32 s, bytes32 signerId) external {
        bytes memory text = json;
        (uint40 signerEnd, uint16 epoch) = _requireSignedText(text, r, s, signerId);
        ParsedTcbInfo memory info = TcbInfo.parse(text);
        Collateral memory made = Collateral({
            digest: TcbInfo.digest(info.pceId, info.modulesRoot, info.levelsRoot),
            number: info.number,
            issuedAt: info.issuedAt,
            validUntil: _earlier(info.nextUpdate, signerEnd),
            epoch: epoch
        });
        _replace(_key(TCB_INFO, info.tee, info.fmspc, info.number), made);
        emit TcbInfoUpdated({
            tee: info.tee,
            fmspc: info.fmspc,
            number: info.number,
            issuedAt: made.issuedAt,
            validUntil: made.validUntil,
            epoch: epoch,
            pceId: info.pceId,
            modules: info.modules,
            levels: info.levels
        });
    }

    /// @inheritdoc IIntelCollateral
    function updateQeIdentity(bytes calldata json, bytes32 r, bytes32 s, bytes32 signerId)
        external
    {
        bytes memory text = json;
        (uint40 signerEnd, uint16 epoch) = _requireSignedText(text, r, s, signerId);
        ParsedQeIdentity memory qe = QeIdentity.parse(text);
        Collateral memory made = Collateral({
            digest: QeIdentity.digest(qe.identity, qe.levelsRoot),
            number: qe.number,
            issuedAt: qe.issuedAt,
            validUntil: _earlier(qe.nextUpdate, signerEnd),
            epoch: epoch
        });
        _replace(_key(QE_IDENTITY, qe.tee, 0, qe.number), made);
        emit QeIdentityUpdated({
            tee: qe.tee,
            number: qe.number,
            issuedAt: made.issuedAt,
            validUntil: made.validUntil,
            epoch: epoch,
            identity: qe.identity,
            levels: qe.levels
        });
    }

    /// @inheritdoc IIntelCollateral
    function updateEvaluationNumbers(bytes calldata json, bytes32 r, bytes32 s, bytes32 signerId)
        external
    {
        bytes memory text = json;
        (uint40 signerEnd, uint16 epoch) = _requireSignedText(text, r, s, signerId);
        ParsedEvaluationNumbers memory numbers = EvaluationNumbers.parse(text);
        Collateral memory made = Collateral({
            digest: EvaluationNumbers.digest(numbers.table),
            number: 0,
            issuedAt: numbers.issuedAt,
            validUntil: _earlier(numbers.nextUpdate, signerEnd),
            epoch: epoch
        });
        _replace(_key(EVALUATION_NUMBERS, numbers.tee, 0, 0), made);
        emit EvaluationNumbersUpdated({
            tee: numbers.tee,
            issuedAt: made.issuedAt,
            validUntil: made.validUntil,
            epoch: epoch,
            table: numbers.table
        });
    }

    /// @inheritdoc IIntelCollateral
    function quoteCollateral(
        uint8 tee,
        bytes6 fmspc,
        uint32 tcbNumber,
        uint32 qeNumber,
        bytes32 caId,
        bool isDated
    ) external view returns (QuoteCollateral memory found) {
        CollateralWord current = _liveRootCrl();
        uint16 epoch = current.epoch();
        CollateralWord info = _kept(_key(TCB_INFO, tee, fmspc, tcbNumber), epoch);
        CollateralWord identity = _kept(_key(QE_IDENTITY, tee, 0, qeNumber), epoch);
        CollateralWord list = _live(_pckCrls[caId], caId, epoch);
        found.tcb = info.digest();
        found.qe = identity.digest();
        found.validUntil = _earlier(
            _earlier(current.validUntil(), list.validUntil()),
            _earlier(info.validUntil(), identity.validUntil())
        );
        found.epoch = epoch;
        if (isDated) {
            CollateralWord numbers = _kept(_key(EVALUATION_NUMBERS, tee, 0, 0), epoch);
            found.numbers = numbers.digest();
            found.validUntil = _earlier(found.validUntil, numbers.validUntil());
        }
    }

    /// @inheritdoc IIntelCollateral
    function pckCollateral(bytes32 caId)
        external
        view
        returns (Authority memory ca, bytes16 crl, uint40 validUntil)
    {
        CollateralWord current = _liveRootCrl();
        ca = _liveAuthority(caId, true, current.epoch());
        CollateralWord list = _live(_pckCrls[caId], caId, current.epoch());
        // The list's end is not after the CA's.
        return (ca, list.digest(), _earlier(current.validUntil(), list.validUntil()));
    }

    /// @inheritdoc IIntelCollateral
    function numbersCollateral(uint8 tee) external view returns (bytes16 table, uint40 validUntil) {
        CollateralWord current = _liveRootCrl();
        CollateralWord numbers = _kept(_key(EVALUATION_NUMBERS, tee, 0, 0), current.epoch());
        return (numbers.digest(), _earlier(current.validUntil(), numbers.validUntil()));
    }

    /// @inheritdoc IIntelCollateral
    function rootCrl() external view returns (Collateral memory) {
        return _rootCrl;
    }

    /// @inheritdoc IIntelCollateral
    function pckCrl(bytes32 caId) external view returns (Collateral memory) {
        return _pckCrls[caId];
    }

    /// @inheritdoc IIntelCollateral
    function tcbInfo(uint8 tee, bytes6 fmspc, uint32 number)
        external
        view
        returns (Collateral memory)
    {
        return _collateral[_key(TCB_INFO, tee, fmspc, number)];
    }

    /// @inheritdoc IIntelCollateral
    function qeIdentity(uint8 tee, uint32 number) external view returns (Collateral memory) {
        return _collateral[_key(QE_IDENTITY, tee, 0, number)];
    }

    /// @inheritdoc IIntelCollateral
    function evaluationNumbers(uint8 tee) external view returns (Collateral memory) {
        return _collateral[_key(EVALUATION_NUMBERS, tee, 0, 0)];
    }

    /// @inheritdoc IIntelCollateral
    function authority(bytes32 authorityId) external view returns (Authority memory) {
        return _authorities[authorityId];
    }

    /// @inheritdoc IIntelCollateral
    function isRevoked(uint160 serial) external view returns (bool) {
        return _revoked[serial];
    }

    /// @inheritdoc IIntelCollateral
    function root() external view returns (bytes32, bytes32, bytes32, uint40) {
        return (_rootX, _rootY, _rootName, _rootNotAfter);
    }

    /// @inheritdoc IIntelCollateral
    function signerName() external view returns (bytes32) {
        return _signerName;
    }

    /// @inheritdoc IIntelCollateral
    function certificateParser() external view returns (ICertificateParser) {
        return _parser;
    }

    /// @inheritdoc IIntelCollateral
    function tier() external view returns (uint8) {
        return _tier;
    }

    /// @dev Remember the serials that were not known; whether there were any.
    function _revoke(bytes memory serials) private returns (bool hasNews) {
        for (uint256 i; i < serials.length; i += X509Crl.SERIAL) {
            uint160 serial = uint160(bytes20(Der.word(serials, i)));
            if (!_revoked[serial]) {
                _revoked[serial] = true;
                hasNews = true;
            }
        }
    }

    function _replace(bytes32 key, Collateral memory made) private {
        _requireUpdate(made, _collateral[key]);
        _collateral[key] = made;
    }

    /// @dev The text is signed by a TCB signing certificate that is usable.
    function _requireSignedText(bytes memory text, bytes32 r, bytes32 s, bytes32 signerId)
        private
        view
        returns (uint40 signerEnd, uint16 epoch)
    {
        epoch = _liveRootCrl().epoch();
        Authority memory signer = _liveAuthority(signerId, false, epoch);
        _requireLength(text.length, MAX_JSON_BYTES);
        _requireSigned(Der.sha(text, 0, text.length), r, s, signer.x, signer.y);
        return (signer.validUntil, epoch);
    }

    /// @dev Without the root's CRL, in time, nothing is usable.
    function _liveRootCrl() private view returns (CollateralWord current) {
        current = CollateralWords.load(_rootCrl);
        require(current.issuedAt() != 0, IntelCollateral_Missing(_rootName));
        _requireNotExpired(current.validUntil());
    }

    function _liveAuthority(bytes32 authorityId, bool isCa, uint16 epoch)
        private
        view
        returns (Authority memory found)
    {
        found = _authorities[authorityId];
        require(found.validUntil != 0, IntelCollateral_UnknownAuthority(authorityId));
        require(found.isCa == isCa, IntelCollateral_AuthorityKind(found.isCa, isCa));
        require(found.epoch == epoch, IntelCollateral_Epoch(found.epoch, epoch));
        _requireNotExpired(found.validUntil);
    }

    function _kept(bytes32 key, uint16 epoch) private view returns (CollateralWord) {
        return _live(_collateral[key], key, epoch);
    }

    /// @dev The tier that a root's key makes; a root of nobody's only where nothing is at stake.
    function _tierOf(bytes32 key, bytes32 signer) private view returns (uint8) {
        if (key == INTEL_ROOT_KEY) {
            require(
                signer == INTEL_SIGNER_NAME, IntelCollateral_SignerName(signer, INTEL_SIGNER_NAME)
            );
            return Tier.DIRECT;
        }
        require(
            block.chainid == 31_337 || block.chainid == 1337,
            IntelCollateral_DevOnlyOnLocalChain(block.chainid)
        );
        return Tier.DEV;
    }

    function _key(uint256 kind, uint8 tee, bytes6 fmspc, uint32 number)
        private
        pure
        returns (bytes32)
    {
        return bytes32(kind << 248 | uint256(tee) << 240 | uint256(uint48(fmspc)) << 192 | number);
    }
}
