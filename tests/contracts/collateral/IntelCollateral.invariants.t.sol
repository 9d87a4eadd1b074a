// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Authority, Collateral} from "contracts/interfaces/IIntelCollateral.sol";
import {CollateralFixture} from "../CollateralFixture.sol";
import {Test} from "../Vm.sol";

/// @dev A revocation list of the root or of the PCK CA, and what is to be kept of it.
struct List {
    bytes der;
    bytes serials;
    bytes16 digest;
    uint40 issuedAt;
    uint32 number;
}

/// @dev A signed text, what is to be kept of it, and a stranger's signature of the same text.
struct Document {
    uint256 kind;
    bytes text;
    bytes32 r;
    bytes32 s;
    bytes32 forgedR;
    bytes32 forgedS;
    bytes16 digest;
    uint40 issuedAt;
    uint32 number;
}

/// @notice Anyone brings what the vendor issued over some days, or a stranger made, in any order and at any
///         time; and what has to be kept after each call.
contract CollateralHandler is CollateralFixture {
    uint256 public constant ROOT = 0;
    uint256 private constant CAS = 2;
    /// @dev Slots of documents follow those of the root's list and of two CAs': TCB info and QE identity of
    ///      two numbers, and the evaluation numbers.
    uint256 public constant SLOTS = 8;
    uint256 private constant CERTIFICATES = 7;
    uint256 private constant GENUINE = 4;

    List[] private _rootLists;
    List[] private _pckLists;
    Document[] private _documents;
    bytes[CERTIFICATES] private _certificates;
    bytes32[GENUINE] private _ids;
    uint160[GENUINE] private _serials;
    uint160[] private _everySerial;
    bytes6 private _fmspc;
    uint32 private _newest;

    /// @dev What each slot has to hold, and held after the call before.
    mapping(uint256 slot => Collateral) private _wanted;
    mapping(uint256 slot => Collateral) private _before;
    mapping(uint160 serial => bool) private _isListed;

    /// @notice Calls that were taken, by what they bring.
    uint256[4] public taken;
    uint256 public listsWithNews;
    uint256 public wentBack;
    uint256 public epochsThatFell;
    uint256 public keptOtherwise;
    uint256 public forgedTaken;
    uint256 public unrevoked;
    uint256 public revokedUsable;
    uint256 public usableOutOfTime;

    constructor() {
        load();
        deploy();
        _fmspc = bytes6(bytesAt(".documents.sgxTcb.fmspc"));
        _newest = uint32(vm.parseJsonUint(vm.readFile(TIMELINE), ".number"));
        _readCertificates();
        bytes memory strays = bytesAt(".strays");
        for (uint256 i; i < strays.length; i += 20) {
            _everySerial.push(uint160(bytes20(slice(strays, i, i + 20))));
        }
        delete json;
    }

    /// @notice Read two lists, before anything else. Each call has memory of its own.
    function readLists(uint256 index) external {
        _rootLists.push(_list(".rootCrls[", index));
        _pckLists.push(_list(".pckCrls[", index));
    }

    /// @notice Read a document, before anything else.
    function readDocument(uint256 index) external {
        _documents.push(_document(index));
    }

    function bringRootCrl(uint256 which) external {
        List memory list = _rootLists[which % _rootLists.length];
        try collateral.updateRootCrl(list.der) {
            ++taken[0];
            bool isFirst = _wanted[ROOT].issuedAt == 0;
            if (_learn(list.serials) || isFirst) ++listsWithNews;
            _expect(ROOT, list.digest, list.issuedAt, list.number);
            _note();
        } catch {}
    }

    function cacheAuthority(uint256 which) external {
        which %= CERTIFICATES;
        try collateral.cacheAuthority(_certificates[which]) {
            ++taken[1];
            if (which >= GENUINE) ++forgedTaken;
            _note();
        } catch {}
    }

    function bringPckCrl(uint256 which, uint256 by) external {
        List memory list = _pckLists[which % _pckLists.length];
        // Seldom by a certificate of the other kind.
        by = by % 8 == 0 ? CAS : by % CAS;
        try collateral.updatePckCrl(list.der, _ids[by]) {
            ++taken[2];
            if (_isListed[_serials[by]]) ++revokedUsable;
            if (by < CAS) _expect(1 + by, list.digest, list.issuedAt, list.number);
            else ++forgedTaken;
            _note();
        } catch {}
    }

    function bringDocument(uint256 which, uint256 by, uint256 forger) external {
        Document memory d = _documents[which % _documents.length];
        by = by % 8 == 0 ? 0 : CAS + by % (GENUINE - CAS);
        bool isForged = forger % 8 == 0 || by < CAS;
        (bytes32 r, bytes32 s) = forger % 8 == 0 ? (d.forgedR, d.forgedS) : (d.r, d.s);
        (bool isDone,) = address(collateral).call(callWith(d.kind, d.text, r, s, _ids[by]));
        if (isDone) {
            ++taken[3];
            if (_isListed[_serials[by]]) ++revokedUsable;
            if (isForged) ++forgedTaken;
            else _expect(_slotOf(d), d.digest, d.issuedAt, d.kind == 3 ? 0 : d.number);
            _note();
        }
    }

    function pass(uint256 seconds_) external {
        vm.warp(block.timestamp + seconds_ % (seconds_ % 16 == 0 ? 15 days : 1 days));
        _note();
    }

    /// @notice The present epoch.
    function epoch() external view returns (uint256) {
        return collateral.rootCrl().epoch;
    }

    /// @dev After each call that was taken, and when time has passed; one that reverts leaves nothing behind.
    function _note() private {
        uint16 current = collateral.rootCrl().epoch;
        for (uint256 slot; slot < SLOTS; ++slot) {
            Collateral memory kept = _kept(slot);
            Collateral memory old = _before[slot];
            bool isList = slot <= CAS;
            if (kept.issuedAt < old.issuedAt || (isList && kept.number < old.number)) ++wentBack;
            if (kept.epoch < old.epoch || kept.epoch > current) ++epochsThatFell;
            Collateral memory wanted = _wanted[slot];
            if (
                kept.digest != wanted.digest || kept.issuedAt != wanted.issuedAt
                    || kept.number != wanted.number
            ) ++keptOtherwise;
            _before[slot] = kept;
        }
        _noteRevocations(current);
        _noteUsable(current);
    }

    function _noteRevocations(uint16 current) private {
        for (uint256 i; i < _everySerial.length; ++i) {
            if (collateral.isRevoked(_everySerial[i]) != _isListed[_everySerial[i]]) ++unrevoked;
        }
        for (uint256 i; i < GENUINE; ++i) {
            Authority memory found = collateral.authority(_ids[i]);
            bool isUsable = found.validUntil != 0 && found.epoch == current;
            if (isUsable && _isListed[_serials[i]]) ++revokedUsable;
        }
    }

    /// @dev What a view gives out is of this epoch and in time, and so is the root's list.
    function _noteUsable(uint16 current) private {
        bool isRootLive = collateral.rootCrl().validUntil >= block.timestamp;
        try collateral.numbersCollateral(1) returns (bytes16, uint40 end) {
            _noteUse(_kept(SLOTS - 1), end, current, isRootLive);
        } catch {}
        for (uint256 i; i < CAS; ++i) {
            try collateral.pckCollateral(_ids[i]) returns (Authority memory, bytes16, uint40 end) {
                _noteUse(_kept(1 + i), end, current, isRootLive);
            } catch {}
        }
    }

    function _noteUse(Collateral memory kept, uint40 end, uint16 current, bool isRootLive) private {
        bool isInTime = kept.validUntil >= block.timestamp && end >= block.timestamp;
        if (!isRootLive || !isInTime || kept.epoch != current) ++usableOutOfTime;
    }

    function _expect(uint256 slot, bytes16 digest, uint40 issuedAt, uint32 number) private {
        Collateral storage wanted = _wanted[slot];
        (wanted.digest, wanted.issuedAt, wanted.number) = (digest, issuedAt, number);
    }

    function _learn(bytes memory serials) private returns (bool hasNews) {
        for (uint256 i; i < serials.length; i += 20) {
            uint160 serial = uint160(bytes20(slice(serials, i, i + 20)));
            hasNews = hasNews || !_isListed[serial];
            _isListed[serial] = true;
        }
    }

    function _kept(uint256 slot) private view returns (Collateral memory) {
        if (slot == ROOT) return collateral.rootCrl();
        if (slot <= CAS) return collateral.pckCrl(_ids[slot - 1]);
        if (slot < 5) return collateral.tcbInfo(1, _fmspc, _newest - uint32(slot - 3));
        if (slot < 7) return collateral.qeIdentity(1, _newest - uint32(slot - 5));
        return collateral.evaluationNumbers(1);
    }

    function _slotOf(Document memory d) private view returns (uint256) {
        if (d.kind == 3) return SLOTS - 1;
        return (d.kind == 1 ? 3 : 5) + (_newest - d.number);
    }

    /// @dev Two CAs and two TCB signers that the root issued, and three that it did not.
    function _readCertificates() private {
        string[GENUINE] memory names =
            [".ca", ".accepted.outlivingCa", ".signer", ".accepted.signer"];
        for (uint256 i; i < GENUINE; ++i) {
            _certificates[i] = bytesAt(string.concat(names[i], ".certificate"));
            _ids[i] = wordAt(string.concat(names[i], ".id"));
            _serials[i] = serialAt(string.concat(names[i], ".serial"));
            _everySerial.push(_serials[i]);
        }
        _certificates[GENUINE] = bytesAt(".refused.otherKey");
        _certificates[GENUINE + 1] = bytesAt(".foreign.signer");
        _certificates[GENUINE + 2] = bytesAt(".foreign.ca");
    }

    function _list(string memory lists, uint256 index) private view returns (List memory) {
        string memory file = vm.readFile(TIMELINE);
        string memory key = string.concat(lists, vm.toString(index), "]");
        return List({
            der: vm.parseJsonBytes(file, string.concat(key, ".der")),
            serials: vm.parseJsonBytes(file, string.concat(key, ".serials")),
            digest: bytes16(vm.parseJsonBytes(file, string.concat(key, ".digest"))),
            issuedAt: uint40(vm.parseJsonUint(file, string.concat(key, ".issuedAt"))),
            number: uint32(vm.parseJsonUint(file, string.concat(key, ".number")))
        });
    }

    function _document(uint256 index) private view returns (Document memory) {
        string memory file = vm.readFile(TIMELINE);
        string memory key = string.concat(".documents[", vm.toString(index), "]");
        return Document({
            kind: vm.parseJsonUint(file, string.concat(key, ".kind")),
            text: vm.parseJsonBytes(file, string.concat(key, ".text")),
            r: vm.parseJsonBytes32(file, string.concat(key, ".r")),
            s: vm.parseJsonBytes32(file, string.concat(key, ".s")),
            forgedR: vm.parseJsonBytes32(file, string.concat(key, ".forgedR")),
            forgedS: vm.parseJsonBytes32(file, string.concat(key, ".forgedS")),
            digest: bytes16(vm.parseJsonBytes(file, string.concat(key, ".digest"))),
            issuedAt: uint40(vm.parseJsonUint(file, string.concat(key, ".issuedAt"))),
            number: uint32(vm.parseJsonUint(file, string.concat(key, ".number")))
        });
    }
}

contract IntelCollateralInvariantsTest is Test {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    CollateralHandler private handler;

    function setUp() external {
        handler = new CollateralHandler();
        for (uint256 i; i < 8; ++i) {
            handler.readLists(i);
        }
        for (uint256 i; i < 20; ++i) {
            handler.readDocument(i);
        }
    }

    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        bytes4[] memory selectors = new bytes4[](8);
        selectors[0] = CollateralHandler.bringRootCrl.selector;
        selectors[1] = CollateralHandler.cacheAuthority.selector;
        selectors[2] = CollateralHandler.bringPckCrl.selector;
        selectors[3] = CollateralHandler.bringDocument.selector;
        selectors[4] = CollateralHandler.pass.selector;
        // More often: without a certificate nothing else is taken, and there are many documents.
        selectors[5] = CollateralHandler.cacheAuthority.selector;
        selectors[6] = CollateralHandler.bringDocument.selector;
        selectors[7] = CollateralHandler.bringDocument.selector;
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector({addr: address(handler), selectors: selectors});
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function invariant_collateralNeverGoesBack() external view {
        assertEq(handler.wentBack(), 0, "an earlier issue date, or a lower CRL number");
    }

    function invariant_epochCountsTheListsWithNews() external view {
        assertEq(handler.epoch(), handler.listsWithNews(), "epoch");
        assertEq(handler.epochsThatFell(), 0, "an earlier epoch");
    }

    function invariant_revokedSerialStaysRevoked() external view {
        assertEq(handler.unrevoked(), 0, "revoked is what a list named, for good");
        assertEq(handler.revokedUsable(), 0, "a revoked certificate is usable");
    }

    function invariant_onlySignedCollateralIsKept() external view {
        assertEq(handler.keptOtherwise(), 0, "not what was signed and brought last");
        assertEq(handler.forgedTaken(), 0, "forged");
    }

    function invariant_usableCollateralIsInTimeAndOfThisEpoch() external view {
        assertEq(handler.usableOutOfTime(), 0, "usable");
    }

    /// @dev The calls reach what the invariants are about.
    function test_handler_BringsEverything() external {
        handler.bringRootCrl(0);
        for (uint256 i; i < 7; ++i) {
            handler.cacheAuthority(i);
        }
        handler.bringPckCrl(0, 1);
        for (uint256 i; i < 20; ++i) {
            handler.bringDocument(i, 2, i);
            handler.bringDocument(i, 3, 1);
            if (i % 5 == 4) handler.pass(43_201);
            if (i % 5 == 4) handler.pass(43_201);
        }
        handler.bringRootCrl(3);
        uint256[4] memory least = [uint256(2), 4, 1, 15];
        for (uint256 i; i < 4; ++i) {
            assertTrue(handler.taken(i) >= least[i], "taken");
        }
        assertEq(handler.listsWithNews(), 2, "news");
        assertEq(handler.keptOtherwise() + handler.forgedTaken(), 0, "kept");
    }
}
