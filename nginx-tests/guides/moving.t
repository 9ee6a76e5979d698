# docs/guides/moving-from-*.md: clients with cookies of the other system stay on their servers, in step 1, in step 2,
# and after a return to step 1. If the page says that both can run side by side, nginx sets the same cookies as the
# other system.
#
# The cookies follow the other systems' formulas, which nginx-tests/compat tests in detail; those of Apache come from a
# real one.

use Sticky qw(Apache Documents Guides StickyModuleIds);

our @names = qw(A B);

# "step" is the number of its session_sticky line on the page, or nothing for the unchanged file; with "more" added.
our $page = '';
client_sections();
add_block_preprocessor(sub {
    my ($block) = @_;
    my $name = 'docs/guides/moving-from-' . $block->system . '.md';
    my $file = (nginx_files($name))[$block->file // 0] // bail_out("$name has no such file");
    if (defined $block->step) {
        my $line = (nginx_parts($name))[$block->step] // bail_out("$name has no such line");
        $file =~ s/^ *session_sticky [^;]*;\n/$line/m or bail_out("$name has no session_sticky");
    }
    # The upstream of a part in place of the file's, and for its ids those of the servers here.
    if (defined $block->upstream) {
        my $upstream = (nginx_parts($name))[$block->upstream] // bail_out("$name has no such upstream");
        $file =~ s/^ *upstream .*?^ *\}\n/$upstream/ms or bail_out("$name has no upstream");
        $file =~ s{(\S+) id=(\w{40});}{
            sha1_hex($1) eq $2 or bail_out("$2 is not the id of $1");
            my $here = on_this_machine($1);
            "$here id=" . sha1_hex($here) . ';'}ge or bail_out("$name has no ids");
    }
    for my $line (split /\n/, $block->but // '') {
        my ($from, $to) = split / => /, $line;
        $file =~ s/\Q$from\E/$to/ or bail_out("$name has no $from");
    }
    if (defined $block->more) {
        my $more = $block->more;
        $file =~ s/(session_sticky [^;]*);/$1 $more;/ or bail_out("$name has no session_sticky");
    }
    $block->set_value(http_config => servers(qq[access_log off;\nlocation / { return 200 "NAME"; }\n], @names) . http_of($file));
    $block->set_value(client => "\$page = '$name';\n" . $block->client);
});

sub at { my ($cookie, $port) = @_; return visit('/', $cookie, $port // 1983) }

# Clients with these values stay; the cookies they get match these patterns, "" if nothing is set.
sub stays {
    my ($cookie, $values, $like) = @_;
    for my $name (@names) {
        my $first = at("$cookie=$values->{$name}");
        equals(body($first), $name, "$values->{$name} stays on $name");
        holds(bound($first) =~ /^(?:$like->{$name})$/, "$values->{$name} becomes " . (bound($first) || 'nothing else'));
        equals(body(at("$cookie=" . (bound($first) || $values->{$name}))), $name, 'and stays');
    }
    return;
}

# First visits get the same cookies as from the other system.
sub sets {
    my ($values) = @_;
    my $response = at();
    return equals(bound($response), $values->{body($response)}, 'a first visit gets the same');
}

sub both { my ($pattern) = @_; return {map { $_ => $pattern } @names} }

our %nothing = (A => '', B => '');
our %md5 = map { $_ => id($_) } @names;
our %sha1 = map { $_ => sha1_hex("127.0.0.1:$port{$_}") } @names;
# An id by a key, with two stamps and a signature.
our $signed = both('\w{32}\|\d+\|\d+\|\S+');
our %haproxy = (A => 's1', B => 's2');
our %apache = (A => '.1', B => '.2');
our %angie = (A => 'a', B => 'b');

sub stamped { my ($values) = @_; my $time = time - 10; return {map { $_ => "$values->{$_}|$time|$time" } @names} }

run_tests();

__DATA__

=== HAProxy: step 1, side by side
--- system: haproxy
--- client
follow_transcript((transcripts($page))[0]);
stays('SRV', \%haproxy, \%nothing);
sets(\%haproxy);



=== HAProxy: step 1, its cookies with dates
--- system: haproxy
--- step: 0
--- client
stays('SRV', {A => 's1|awGpU|awGpU', B => 's2|awGpU|awGpU'}, \%haproxy);



=== HAProxy: step 2
--- system: haproxy
--- step: 1
--- client
stays('SRV', \%haproxy, $signed);



=== nginx-sticky-module-ng: step 1
--- system: sticky-module-ng
--- client
follow_transcript((transcripts($page))[0]);
stays('srv', \%md5, \%md5);
sets(\%md5);



=== nginx-sticky-module-ng: step 2, and its ids of old releases
--- system: sticky-module-ng
--- file: 1
--- client
stays('srv', \%md5, {map { $_ => "$md5{$_}\\|\\d+\\|\\d+" } @names});
stays('srv', {map { $_ => md5_hex(socket_address($port{$_})) } @names}, {map { $_ => "$md5{$_}\\|\\d+\\|\\d+" } @names});
holds(set(at()) =~ /; Max-Age=3600; .*Secure; HttpOnly$/, 'the attributes');
our %left = map { $_ => bound(at("srv=$md5{$_}")) } @names;
holds(!grep({ !/^\w{32}\|\d+\|\d+$/ } values %left), 'what step 2 leaves');



=== nginx-sticky-module-ng: back from step 2
--- system: sticky-module-ng
--- client
our %left;
stays('srv', \%left, \%md5);



=== nginx-sticky-module-ng: step 2 with the ids of hash=sha1
--- system: sticky-module-ng
--- file: 1
--- upstream: 0
--- client
stays('srv', \%sha1, {map { $_ => "$sha1{$_}\\|\\d+\\|\\d+" } @names});
our %left = map { $_ => bound(at("srv=$sha1{$_}")) } @names;



=== nginx-sticky-module-ng: back from there
--- system: sticky-module-ng
--- but: no_fallback => hash=sha1 no_fallback
--- client
our %left;
stays('srv', \%left, \%sha1);



=== nginx-sticky-module-ng: MD5 IDs after hash=sha1, which a step back refuses
--- system: sticky-module-ng
--- file: 1
--- but: accept=md5 => accept=sha1
--- client
our %left;
stays('srv', \%left, {map { $_ => "$md5{$_}\\|\\d+\\|\\d+" } @names});
equals(status(at('srv=nothing')), 200, 'an unknown cookie is a first visit');



=== nginx-sticky-module-ng: what is refused
--- system: sticky-module-ng
--- but: no_fallback => hash=sha1 no_fallback
--- client
equals(status(at("srv=$md5{A}")), 502, 'an ID of another hash');
equals(status(at()), 200, 'not a first visit');
--- may_fail



=== Tengine: step 1
--- system: tengine
--- client
follow_transcript((transcripts($page))[0]);
stays('SERVERID', stamped(\%md5), {map { $_ => "$md5{$_}\\|\\d+\\|\\d+" } @names});
holds(bound(at()) =~ /^[0-9a-f]{32}\|\d{10}\|\d{10}$/, 'a first visit');



=== Tengine: step 2
--- system: tengine
--- step: 0
--- client
stays('SERVERID', stamped(\%md5), $signed);



=== Apache: step 1, side by side with a real one, as the page has it
--- system: apache
--- client
follow_transcript((transcripts($page))[0]);
stays('ROUTEID', \%apache, \%nothing);
sets(\%apache);
my ($theirs) = fenced($page, 'apache');
my @lines = map { on_this_machine($_) =~ s/^\s+//r } grep { /^(?:Header| +BalancerMember| +ProxySet)/ } split /\n/, $theirs;
my $apache = Apache->start(8090, @lines);
for my $name (@names) {
    equals(body(at("ROUTEID=$apache{$name}", 8090)), $name, "Apache reads the cookie of $name");
}
my %set = map { body($_) => bound($_) } map { at(undef, 8090) } 1 .. 8;
equals(join(' ', map { "$_=$set{$_}" } sort keys %set), 'A=.1 B=.2', 'Apache sets the same');



=== Apache: step 2
--- system: apache
--- step: 0
--- client
stays('ROUTEID', \%apache, $signed);



=== ingress-nginx: step 1
--- system: ingress-nginx
--- client
my $tail = md5_hex(md5_hex('shop-web-80') . 'shop-web-80');
stays('route', {map { $_ => md5_hex('shop-web-80' . "127.0.0.1:$port{$_}") . "|$tail" } @names}, \%md5);



=== ingress-nginx: step 2
--- system: ingress-nginx
--- step: 0
--- client
stays('route', \%md5, \%nothing);



=== Angie: step 1, side by side
--- system: angie
--- client
my ($salted, $commands) = transcripts($page);
my ($of_a) = qx{$salted->[0][0]} =~ /^(\w{32})$/m;
equals($of_a, md5_hex('asalt'), 'the value with a secret');
follow_transcript($commands);
stays('srv_id', \%angie, \%nothing);
sets(\%angie);



=== Angie: step 2
--- system: angie
--- step: 0
--- client
stays('srv_id', \%angie, $signed);



=== back from step 2
--- system: angie
--- step: 0
--- client
our %kept = map { $_ => bound(at("srv_id=$angie{$_}")) } @names;
holds(!grep({ !/^\w{32}\|/ } values %kept), 'cookies of step 2');



=== back to step 1
--- system: angie
--- more: accept=hmac key_file=sticky.keys
--- client
our %kept;
stays('srv_id', \%kept, \%angie);
