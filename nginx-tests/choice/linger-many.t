# linger=time with 10,000 addresses that are removed from DNS at once: they keep their sessions, and do not delay other requests.
#
# They are the addresses of 40 names, because of the size limit of a DNS response. Each server responds with its address.

# Lingering addresses survive a reload, so each block needs a new nginx, even in mode hup.
BEGIN { delete $ENV{TEST_NGINX_USE_HUP} }

use Sticky qw(Resolver Running Status Upstreams Visits);
use IO::Select;
use Time::HiRes qw(sleep time);

use constant {NAMES => 40, EACH => 250};

our $dns = Resolver->new(1990);

sub address { my ($name, $number) = @_; return "127.$name." . int($number / 100) . ".@{[$number % 100 + 1]}" }
sub names {
    my ($of) = @_;
    return map { my $name = $_; "n$name.test A " . join ' ', map { address($name + 1, $_) } 0 .. EACH - 1 } grep { $of->($_) } 0 .. NAMES - 1;
}

client_sections();
add_block_preprocessor(sub {
    my ($block) = @_;
    my $lines = join ' ', map { "server n$_.test:1985 resolve;" } 0 .. NAMES - 1;
    my $upstreams = "upstream u { zone many 32m; $lines session_sticky hash=plain linger=5m; }
                     upstream quiet { server 127.0.0.9:1985; session_sticky cookie=quiet; }";
    $block->set_value(http_config => <<"_EOC_" . entrance($upstreams, 'location = /status { session_sticky_status; }'));
resolver 127.0.0.1:1990 valid=1s ipv6=off;
resolver_timeout 5s;
server { listen 1985; location / { return 200 "\$server_addr"; } }
_EOC_
    $block->set_value(workers => 2);
    $block->set_value(skip_nginx => '5: < 1.27.3');
});

sub of { my ($name, $number) = @_; return 'route=' . address($name + 1, $number) . ':1985' }

sub told {
    my $document = parsed(visit('/status?format=json', undef, 1983));
    my ($upstream) = grep { $_->{name} eq 'u' } @{$document->{upstreams}};
    return map { scalar @{$upstream->{$_}} } qw(servers lingering);
}

master_on();
worker_connections(1024);
run_tests();

__DATA__

=== 10,000 addresses are removed at once, and added again
--- client
$dns->knows(names(sub { 1 }));
my ($servers, $lingering);
eventually(sub { ($servers, $lingering) = told(); $servers == NAMES * EACH }, 'all servers are present');
my $slowest = 0;
my $watch = sub {
    my $start = time;
    my @visits = map { ask('/quiet/', undef, 1983) } 1 .. 8;
    status(response($_)) eq '200' or return holds(0, 'a request failed') for @visits;
    my $took = time - $start;
    $slowest = $took if $took > $slowest;
};
$dns->knows('n0.test A 127.0.0.7');
for (1 .. 400) {
    $watch->();
    ($servers, $lingering) = told() if $_ % 20 == 0;
    last if $servers == 1 && $lingering == NAMES * EACH;
    sleep 0.02;
}
equals("$servers $lingering", '1 ' . NAMES * EACH, 'all linger');
holds($slowest < ($ENV{TEST_NGINX_USE_VALGRIND} ? 10 : 0.5), "the slowest eight parallel requests took $slowest seconds");
for my $name (0, 7, NAMES - 1) {
    my $start = time;
    equals(bodies(everywhere('/u/', of($name, $_))), address($name + 1, $_), "sessions of $name, $_ stay") for 0, EACH - 1;
}
equals(bodies(everywhere('/u/')), '127.0.0.7', 'new sessions go to the new server');
holds(reload(), 'nginx is reloaded');
equals(bodies(everywhere('/u/', of(3, 3))), address(4, 3), 'sessions stay');
$dns->knows(names(sub { $_[0] % 2 }));
eventually(sub { ($servers, $lingering) = told(); $servers == NAMES * EACH / 2 }, 'half of them are added again');
eventually(sub { ($servers, $lingering) = told(); $lingering == NAMES * EACH / 2 + 1 }, 'the others linger');
equals(bodies(everywhere('/u/', of($_, 5))), address($_ + 1, 5), "sessions of $_ stay") for 4, 5;
$dns->knows();
